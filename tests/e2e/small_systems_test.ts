/** Runs tasks on systems that lack what a usual Linux has: programs, file systems, a home, an init process. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import type { Task } from "../../mod.ts";
import { parsePs } from "../../system/process_list.ts";
import {
  DENO_DIR,
  isAlive,
  lacks,
  parentOf,
  RUNTIME,
  skipTest,
  type StartOptions,
  TIMEOUT,
  waitFor,
} from "../support/helpers.ts";
import { pathOf } from "../support/programs.ts";
import { CAN_MOUNT, Sandbox } from "../support/sandbox.ts";
import { test } from "../support/test.ts";

const SLOW = { timeout: 2 * TIMEOUT.timeout };
const EXECUTORS = ["shell", "process"] as const;

/** A user without an entry in the list of users, and so without a home. */
const UNKNOWN_USER = 54_321;

/** A system to run tasks on. */
interface System {
  /** Returns shell code that changes the system of the run; `"$@"` in it is the command. */
  setup: (sandbox: Sandbox) => string;
  env?: (sandbox: Sandbox) => Record<string, string>;
  /** Programs that the test itself needs. */
  needs?: readonly string[];
  /** True where temporary files are not in the directories of the sandbox. */
  losesFiles?: boolean;
  /** Lines on standard error. */
  notices?: RegExp;
}

/** Mounts an empty file system in place of `/dev` and keeps the devices that every container has. */
const ONLY_DEVICES = `mkdir "$TMPDIR/dev" && mount -t tmpfs tmpfs "$TMPDIR/dev" &&
  for device in null zero random urandom; do
    : >"$TMPDIR/dev/$device" && mount --bind "/dev/$device" "$TMPDIR/dev/$device" || exit 99
  done && mount --move "$TMPDIR/dev" /dev && rmdir "$TMPDIR/dev"`;

/** Hides all processes. Deno and Bun do not start without `/proc/self`, nor does umount(8), which {@linkcode BSD_PS} needs. */
const ONLY_SELF = `mkdir "$TMPDIR/proc" && mount -t tmpfs tmpfs "$TMPDIR/proc" && mkdir "$TMPDIR/proc/self" &&
  mount --bind "/proc/$$" "$TMPDIR/proc/self" && mount --move "$TMPDIR/proc" /proc && rmdir "$TMPDIR/proc"`;

/** Returns code that makes a directory with programs the only one, under the usual path. */
function onlyPrograms(create: string): string {
  // The runtime may be one of the hidden programs.
  const own = dirname(process.execPath) === "/usr/bin" ? basename(process.execPath) : undefined;
  const keep = own === undefined ? ":" : `: >"$bin/${own}" && mount --bind "${process.execPath}" "$bin/${own}"`;
  return `bin=$TMPDIR/bin && mkdir "$bin" && mount -t tmpfs tmpfs "$bin" && cp "$(command -v busybox)" "$bin/busybox" &&
    { ${create}
    } && ${keep} && mount --move "$bin" /usr/bin && PATH=/usr/bin && hash -r && rmdir "$TMPDIR/bin"`;
}

const script = (name: string, lines: string) =>
  `cat >"$bin/${name}" <<'EOF' && chmod 755 "$bin/${name}"
#!/bin/sh
${lines}
EOF
`;

/** A ps that accepts only what POSIX, macOS and the BSDs have in common, and prints states as they do. */
const BSD_PS = script(
  "ps",
  `[ "$*" = "-A -o pid= -o ppid= -o pgid= -o state= -o lstart=" ] || { echo "ps: illegal option" >&2; exit 1; }
unshare --mount sh -c 'umount -l /proc && exec ${
    pathOf("ps")
  } "$@"' ps "$@" | sed -E 's/^( *[0-9]+ +[0-9]+ +[0-9]+ [A-Z])/\\1s+/'`,
);

/** The closest to macOS that Linux can be. */
const MACOS = "ps of BSD, bash as sh, neither /proc nor /dev/shm nor flock, as on macOS";

/** A flock(1) whose program is not installed, as a wrapper of a version manager can be. */
const NO_FLOCK = script("flock", "exit 127");

/** The notice of Node and Bun without a program that locks files. Deno locks files itself. */
const NO_LOCK = RUNTIME === "deno"
  ? /^$/
  : /^taskrunner: .*: the file is not locked, because none of flock, perl, python3 is installed; .*\n$/;

const SYSTEMS: Record<string, System> = {
  "busybox as the only programs": {
    setup: () =>
      onlyPrograms(
        'for name in $("$bin/busybox" --list); do case $name in busybox | flock) ;; *) ln -s busybox "$bin/$name" || exit 99 ;; esac; done',
      ),
    needs: ["busybox"],
    notices: NO_LOCK,
  },
  "no programs but sh, env, cat, rm, rmdir, and a sleep without fractions": {
    setup: () =>
      onlyPrograms(
        `for name in sh env cat rm rmdir mount mkdir chmod touch; do ln -s busybox "$bin/$name" || exit 99; done &&
        ${
          script(
            "sleep",
            `case $1 in *[!0-9]*) echo "sleep: invalid number" >&2; exit 1 ;; esac; exec busybox sleep "$1"`,
          )
        }`,
      ),
    needs: ["busybox"],
    notices: NO_LOCK,
  },
  "a read-only root": {
    setup: ({ directory }) => `mount --bind '${directory}' '${directory}' && mount -o remount,bind,ro /`,
  },
  "no /dev/shm": { setup: () => ONLY_DEVICES },
  "no processes in /proc": { setup: () => RUNTIME === "node" ? "mount -t tmpfs tmpfs /proc" : ONLY_SELF },
  [MACOS]: {
    setup: () =>
      `bin=$TMPDIR/bin && mkdir "$bin" && mount -t tmpfs tmpfs "$bin" && ln -s "$(command -v bash)" "$bin/sh" &&
      ${BSD_PS} ${NO_FLOCK} mount --move "$bin" /mnt && rmdir "$bin" && PATH=/mnt:$PATH && ${ONLY_DEVICES} && ${ONLY_SELF}`,
    needs: ["bash", "perl"],
  },
  "a user without a name or a home": {
    setup: ({ directory }) =>
      `mkdir -p '${directory}/deno' && { [ ! -d '${DENO_DIR}' ] || mount --bind '${DENO_DIR}' '${directory}/deno'; } &&
      unset HOME USER LOGNAME && umask 077 && set -- setpriv --reuid ${UNKNOWN_USER} --regid ${UNKNOWN_USER} --clear-groups "$@"`,
    env: ({ directory }) => ({ DENO_DIR: join(directory, "deno") }),
  },
  "TMPDIR on overlayfs": {
    setup: () =>
      `mount -t tmpfs tmpfs /mnt && mkdir /mnt/lower /mnt/upper /mnt/work &&
      mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay "$TMPDIR" && ${ONLY_DEVICES}`,
    losesFiles: true,
  },
  "TMPDIR missing, and no /dev/shm": { setup: () => `${ONLY_DEVICES} && export TMPDIR=/nowhere` },
  "64 MiB for temporary files, and no /dev/shm": {
    setup: () => `${ONLY_DEVICES} && mount -t tmpfs -o size=64m tmpfs "$TMPDIR"`,
    losesFiles: true,
  },
};

/** Runs tasks of all kinds, kills the run while a task hangs, resumes it, and runs `each`. */
async function exercise(sandbox: Sandbox, { setup, env, notices }: System, executor: string): Promise<void> {
  const go = join(sandbox.directory, "go");
  const hangs = join(sandbox.directory, "hangs");
  const tasks: Task[] = [
    { id: "text", cmd: "echo out; echo err >&2" },
    { id: "array", cmd: ["sh", "-c", 'echo "$1"', "sh", "a  b"] },
    { id: "stdin", cmd: "cat", stdin: "in\n" },
    { id: "pipes", cmd: "ulimit -c 0; echo piped" },
    { id: "large", cmd: "cat cli/main.ts; cat cli/main.ts" },
    { id: "status", cmd: "exit 3" },
    { id: "missing", cmd: ["no-such-program"] },
    { id: "late", cmd: "sleep 300 & sleep 300; echo no", timeoutMs: 300 },
    { id: "hangs", cmd: `[ -e '${go}' ] || { : >'${hangs}'; sleep 300; echo no; }` },
  ];
  const options: StartOptions = { env: env?.(sandbox) ?? {} };
  const code = setup(sandbox);
  const args = ["-j2", "--resume", "--max-inline", "2k", "--spill-dir", `${sandbox.output}.d`, "--executor", executor];
  const first = await sandbox.run(tasks, args, options, code);
  await waitFor("the other results", () => existsSync(hangs) && sandbox.results().length === tasks.length - 1)
    .catch((error) => {
      throw new Error(`${error.message}: ${first.output.stderr} ${JSON.stringify(sandbox.results())}`);
    });
  process.kill(first.child.pid!, "SIGKILL");
  await first.ended;
  await sandbox.waitForCleanup();

  await writeFile(go, "");
  const { status, stderr } = await (await sandbox.run(tasks, args, options, code)).ended;
  assertEquals(status, 0, stderr);
  assertMatch(stderr, notices ?? /^$/);
  const large = await readFile("cli/main.ts", "utf8");
  const results = new Map(sandbox.results().map((result) => [result.id, result]));
  sandbox.assertOneResultEach(tasks.map(({ id }) => `${id}`));
  const brief = (id: string) => {
    const { outcome, stdout, stderr } = results.get(id)!;
    return [id, outcome, stdout, stderr];
  };
  assertEquals(["text", "array", "stdin", "pipes", "status", "missing", "late", "hangs"].map(brief), [
    ["text", "ok", "out\n", "err\n"],
    ["array", "ok", "a  b\n", ""],
    ["stdin", "ok", "in\n", ""],
    ["pipes", "ok", "piped\n", ""],
    ["status", "failed", "", ""],
    ["missing", "not-started", "", ""],
    ["late", "timeout", "", ""],
    ["hangs", "ok", "", ""],
  ]);
  assertEquals(results.get("late")!.error, "The task took longer than its timeout allows");
  assertEquals(await readFile(results.get("large")!.stdoutFile!, "utf8"), large + large);
  await sandbox.waitForCleanup();

  const each = await sandbox.start(["each", "-k", "echo {}", ":::", "a", "it's"], { stdin: "", ...options }, code)
    .ended;
  assertEquals([each.status, each.stdout, each.stderr], [0, "a\nit's\n", ""]);
}

for (const [name, system] of Object.entries(SYSTEMS)) {
  test(`tasks run, time out, end with a killed run, and resume, with ${name}`, SLOW, async () => {
    if (!CAN_MOUNT || process.getuid!() !== 0) return skipTest("only root can change all mounts");
    if (lacks(...system.needs ?? [])) return;
    await Promise.all(EXECUTORS.map((executor) =>
      Sandbox.with(async (sandbox) => {
        for (const path of [sandbox.directory, sandbox.env["TMPDIR"]!, sandbox.shm]) await chmod(path, 0o777);
        await exercise(sandbox, system, executor);
      })
    ));
  });
}

/** Returns the id of the shell that ends the tasks of a killed run. It has an empty environment. */
function guardOf(run: number): number | undefined {
  return readdirSync("/proc").map(Number).find((pid) => {
    try {
      return pid > 0 && parentOf(pid) === run && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("-guard\0");
    } catch {
      return false; // the process has just ended
    }
  });
}

test("without /proc, ps tells the processes of an attempt from those of earlier attempts", SLOW, async () => {
  if (!CAN_MOUNT || process.getuid!() !== 0) return skipTest("only root can change all mounts");
  if (lacks("bash", "perl")) return;
  await Sandbox.with(async (sandbox) => {
    const [left, late, hangs] = ["left", "late", "hangs"].map((name) => join(sandbox.directory, name)) as [
      string,
      string,
      string,
    ];
    const waits = "sleep 300 & sleep 300; echo no";
    const tasks: Task[] = [
      { id: "left", cmd: `sleep 300 & echo $! >'${left}'` },
      { id: "late", cmd: `echo $$ >'${late}'; ${waits}`, timeoutMs: 300 },
      { id: "hangs", cmd: `echo $$ >'${hangs}'; ${waits}` },
    ];
    const run = await sandbox.run(tasks, ["-j1"], {}, SYSTEMS[MACOS]!.setup(sandbox));
    await waitFor("the last task", () => existsSync(hangs) && readFileSync(hangs, "utf8").endsWith("\n"));
    const pids = [left, late, hangs].map((path) => Number(readFileSync(path, "utf8"))) as [number, number, number];
    assertEquals(sandbox.results().map(({ id, outcome, error }) => [id, outcome, error]), [
      ["left", "ok", undefined],
      ["late", "timeout", "The task took longer than its timeout allows"],
    ]);
    assertEquals(pids.map(isAlive), [true, false, true]);
    let guard: number | undefined;
    await waitFor("the guard", () => guard = guardOf(run.child.pid!));
    process.kill(run.child.pid!, "SIGKILL");
    await run.ended;
    await waitFor("the end of the guard", () => !isAlive(guard!));
    assertEquals(sandbox.processes(), [pids[0]]);
    process.kill(pids[0], "SIGKILL");
    await sandbox.waitForCleanup();
  });
});

test("parsePs() reads the ps of macOS, Linux and the BSDs, and skips zombies", () => {
  const output = [
    "    1     0     1 Ss   Sun Nov  1 09:08:07 2026    ",
    "  501     1   501 S+   Sat Feb 28 23:59:59 2026",
    "  502   501   501 Z    Sat Feb 28 23:59:59 2026",
    "  503   501   501 R    ?",
    "",
  ].join("\n");
  assertEquals(parsePs(output), [
    { pid: 1, parentPid: 0, groupId: 1, startTicks: Date.UTC(2026, 10, 1, 9, 8, 7) / 1_000 },
    { pid: 501, parentPid: 1, groupId: 501, startTicks: Date.UTC(2026, 1, 28, 23, 59, 59) / 1_000 },
  ]);
});

for (const init of ["tini", undefined]) {
  test(`as PID 1 ${init ? "under" : "without"} an init process, tasks run and time out`, SLOW, async () => {
    if (!CAN_MOUNT || process.getuid!() !== 0) return skipTest("only root can create process namespaces");
    if (init && lacks(init)) return;
    await Promise.all(EXECUTORS.map((executor) =>
      Sandbox.with(async (sandbox) => {
        const orphan = join(sandbox.directory, "orphan");
        const status = `/proc/$(cat '${orphan}')/status`;
        const waits = init ? `while [ -e ${status} ]` : `until grep -q '^State:.Z' ${status}`;
        const tasks: Task[] = [
          { id: "orphan", cmd: `(sleep 0.1 & echo $! >'${orphan}'); echo out` },
          { id: "late", cmd: "(sleep 300 &); sleep 300; echo no", timeoutMs: 300 },
          { id: "end", cmd: `${waits}; do sleep 0.01; done` },
        ];
        const prefix = `exec unshare --pid --fork --kill-child --mount-proc ${init ? `${init} --` : ""} "$@"`;
        const { ended } = await sandbox.run(tasks, ["-j1", "--executor", executor], {}, prefix);
        const { status: exitStatus, stderr } = await ended;
        assertEquals(exitStatus, 1, stderr);
        assertMatch(stderr, init ? /^$/ : /^taskrunner: running as PID 1, so .* zombies; .* --init does\n$/);
        assertEquals(sandbox.results().map(({ outcome, stdout, error }) => [outcome, stdout, error]), [
          ["ok", "out\n", undefined],
          ["timeout", "", "The task took longer than its timeout allows"],
          ["ok", "", undefined],
        ]);
        await sandbox.waitForCleanup();
      })
    ));
  });
}

test("tasks run with standard input, output and error closed", SLOW, async () => {
  await Promise.all(EXECUTORS.map((executor) =>
    Sandbox.with(async (sandbox) => {
      const tasks: Task[] = [
        { id: "text", cmd: "echo out; echo err >&2; cat" },
        { id: "array", cmd: ["cat"], stdin: "in\n" },
        { id: "status", cmd: "exit 3" },
      ];
      const args = ["-j1", "--executor", executor];
      const { status } = await (await sandbox.run(tasks, args, {}, "exec <&- >&- 2>&-")).ended;
      assertEquals(status, 1);
      assertEquals(sandbox.results().map(({ id, status, stdout, stderr }) => [id, status, stdout, stderr]), [
        ["text", 0, "out\n", "err\n"],
        ["array", 0, "in\n", ""],
        ["status", 3, "", ""],
      ]);
      await sandbox.waitForCleanup();
    })
  ));
});

test("with too few processes for a user, tasks wait for running tasks", SLOW, async () => {
  if (!CAN_MOUNT || process.getuid!() !== 0) return skipTest("only root can switch to another user");
  const own = { bun: 12, deno: 20, node: 18 }[RUNTIME]; // the threads of the runtime count
  const noLateThreads = { BUN_JSC_useConcurrentJIT: "0", BUN_JSC_numberOfGCMarkers: "1" };
  const system = SYSTEMS["a user without a name or a home"]!;
  for (const executor of EXECUTORS) { // one after another, because the limit is for the user
    await Sandbox.with(async (sandbox) => {
      for (const path of [sandbox.directory, sandbox.env["TMPDIR"]!, sandbox.shm]) await chmod(path, 0o777);
      const tasks = Array.from({ length: 20 }, (_, index): Task => ({ id: `${index}`, cmd: ["sleep", "0.05"] }));
      const setup = `${system.setup(sandbox)} && set -- prlimit --nproc=${own + 8} "$@"`;
      const options = { env: { ...noLateThreads, ...system.env!(sandbox) } };
      const args = ["-j16", "--executor", executor];
      const { status, stderr } = await (await sandbox.run(tasks, args, options, setup)).ended;
      assertEquals([status, stderr], [0, ""]);
      sandbox.assertOneResultEach(tasks.map(({ id }) => `${id}`));
      await sandbox.waitForCleanup();
    });
  }
});

test("without /proc, --load and --memfree are errors with a remedy", async () => {
  if (!CAN_MOUNT || process.getuid!() !== 0) return skipTest("only root can change all mounts");
  for (const flag of ["--load=9", "--memfree=1M"]) {
    await Sandbox.with(async (sandbox) => {
      const { status, stderr } = await (await sandbox.run([{ cmd: "true" }], [flag], {}, ONLY_SELF)).ended;
      assertEquals(status, 255);
      assertMatch(
        stderr,
        /^taskrunner: Cannot start the pool: .* is unavailable: \/proc is not mounted; mount it, or .*\n$/,
      );
    });
  }
});

test("a user without a home can use every setting but the files in a home", SLOW, async () => {
  if (!CAN_MOUNT || process.getuid!() !== 0) return skipTest("only root can switch to another user");
  const system = SYSTEMS["a user without a name or a home"]!;
  await Sandbox.with(async (sandbox) => {
    await chmod(sandbox.directory, 0o777);
    const options = { stdin: "", env: { ...system.env!(sandbox), XDG_CONFIG_HOME: "" } };
    const args = ["worker", "--nats-context", "prod", "--queue", "build"];
    const { status, stderr } = await sandbox.start(args, options, system.setup(sandbox)).ended;
    const remedy = "set HOME, or XDG_CONFIG_HOME to the directory that contains nats/context";
    assertEquals(
      [status, stderr.split("\n")[0]],
      [255, `taskrunner: Cannot read the NATS context prod: this user has no home directory; ${remedy}`],
    );
  });
});

test("without any shell, only programs given as arrays run", SLOW, async () => {
  if (!CAN_MOUNT || process.getuid!() !== 0) return skipTest("only root can change all mounts");
  if (lacks("busybox")) return;
  const setup = onlyPrograms(`ln -s busybox "$bin/echo" && ln -s busybox "$bin/rmdir"`);
  await Promise.all(EXECUTORS.map((executor) =>
    Sandbox.with(async (sandbox) => {
      const tasks: Task[] = [{ id: "array", cmd: ["echo", "out"] }, { id: "text", cmd: "echo out" }];
      const args = ["-j1", "--executor", executor];
      const { status, stderr } = await (await sandbox.run(tasks, args, {}, setup)).ended;
      assertEquals(status, 1, stderr);
      assertEquals(sandbox.results().map(({ outcome, stdout, error }) => [outcome, stdout, error]), [
        ["ok", "out\n", undefined],
        ["not-started", "", 'Cannot start the task: the program "sh" was not found'],
      ]);
      await sandbox.waitForCleanup();
    })
  ));
});
