import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertThrows } from "@std/assert/throws";
import { assertStringIncludes } from "@std/assert/string-includes";
import { createExecutor } from "../../executors/mod.ts";
import { canLaunch } from "../../executors/shell/launcher/native_program.ts";
import { ScratchDirectory } from "../../executors/shell/scratch_directory.ts";
import { shellQuote } from "../../text/shell_quote.ts";
import { type ChildProcess, defaultSpawnAdapter, type SpawnAdapter } from "../../spawn_adapters/mod.ts";
import { run, type RunOptions, type Task, type TaskResult } from "../../mod.ts";
import {
  collect,
  isAlive,
  jsonLines,
  lacks,
  parseResults,
  shell,
  skipTest,
  startTaskrunner,
  unlimitedLocation,
  waitFor,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";
import { CAN_MOUNT, Sandbox } from "../support/sandbox.ts";
import { test } from "../support/test.ts";

/** Runs tasks one after another in one worker. */
function inOneWorker(tasks: Task[], options: RunOptions = {}): Promise<TaskResult[]> {
  return collect(run(tasks, { executor: "shell", concurrency: 1, ...options }));
}

test("the state that a task leaves in its shell does not reach the next task", async () => {
  const look = [
    'echo "$A|$B|$(pwd)|$(umask)|$(ulimit -n)|$-|$#|$(trap)|$(alias)|$(type f)"',
    'echo "$A" "$B" "$PWD" $?',
    "f; x; echo $?",
    "ls -l /proc/self/fd | wc -l",
    'env | grep -c "^[AB]="',
  ].map((cmd) => ({ cmd }));
  const mess = [
    "A=1 B=2",
    "cd /; A=1; export A B=2",
    "cd / && A=1",
    "umask 0; ulimit -n 33",
    "set -ef -- a b c; trap 'echo leaked' EXIT TERM; f() { echo leaked; }; alias x='echo leaked'",
    "exec 5>&1 6</etc/passwd; readonly B=1",
    "IFS=x PATH=/nowhere",
    "PATH=/nowhere; B=3",
    "exec true",
    "exit 3",
    "nosuch; (",
  ].map((cmd) => ({ cmd }));
  const clean = await inOneWorker(look);
  const results = await inOneWorker([...mess, ...look, ...mess.toReversed(), ...look]);
  const seen = (results: TaskResult[]) => results.map(({ status, stdout, stderr }) => [status, stdout, stderr]);
  assertEquals(seen(results.slice(mess.length, mess.length + look.length)), seen(clean));
  assertEquals(seen(results.slice(-look.length)), seen(clean));
});

test("each task has its own process id", async () => {
  const results = await inOneWorker(Array.from({ length: 20 }, () => ({ cmd: "echo $$" })));
  assertEquals(new Set(results.map(({ stdout }) => stdout)).size, 20);
});

test("the message about a program that cannot run has line 1, after any number of tasks", async () => {
  await withTempDirectory(async (directory) => {
    const file = join(directory, "no program");
    await writeFile(file, "");
    const commands = [
      "nosuch",
      "A=1 nosuch 'a b' *",
      `"${file}"`,
      "nosuch; nosuch",
      `cd ${directory}/none`,
      "/dev/null",
    ];
    const fresh = await Promise.all(commands.map((cmd) => shell(`exec sh -c -- ${shellQuote(cmd)} sh`)));
    const results = await inOneWorker(commands.flatMap((cmd) => [{ cmd: "echo hi" }, { cmd }]), { shell: "sh" });
    const seen = results.filter((_, index) => index % 2 === 1).map(({ status, stderr }) => ({ status, stderr }));
    assertEquals(seen, fresh.map(({ status, stderr }) => ({ status, stderr })));
    const [, short] = await inOneWorker([{ cmd: "echo" }, { cmd: "nosuch" }], {
      maxInlineBytes: 5,
      spillDir: directory,
    });
    assertEquals([short!.stderr, await readFile(short!.stderrFile!, "utf8")], [
      fresh[0]!.stderr.slice(0, 5),
      fresh[0]!.stderr,
    ]);
  });
});

test("commands of several megabytes run", async () => {
  const large = "x".repeat(3_000_000);
  const [echo, count, last] = await inOneWorker([
    { cmd: `echo '${large}'` },
    { cmd: `f() { echo '${large}' | wc -c; }; f` }, // not plain
    { cmd: "echo last" },
  ], { maxInlineBytes: 4_000_000 });
  assert(echo!.stdout === `${large}\n`);
  assertEquals([count!.stdout.trim(), last!.stdout], ["3000001", "last\n"]);
});

test("a worker that its task kills is replaced, and other tasks are not affected", async () => {
  await withTempDirectory(async (directory) => {
    const steady = `until test -e ${directory}/go; do sleep 0.01; done; echo steady`;
    const bad = [
      "kill -9 $$",
      "kill -9 $PPID; sleep 60",
      "kill -9 0",
      "kill -TERM 0; :",
      "kill -SEGV 0",
      "exec nosuch",
    ];
    const tasks = [{ id: "steady", cmd: steady }, ...bad.flatMap((cmd) => [{ cmd, id: cmd }, { cmd: "echo good" }])];
    const results = run(tasks, { executor: "shell", concurrency: 2 });
    const ended: TaskResult[] = [];
    for (let index = 1; index < tasks.length; index++) ended.push((await results.next()).value!);
    await writeFile(join(directory, "go"), "");
    assertEquals((await results.next()).value!.stdout, "steady\n");
    assertEquals((await results.next()).done, true);
    const goods = ended.filter(({ stdout }) => stdout === "good\n");
    assertEquals(goods.length, bad.length);
    assertEquals(
      bad.map((id) => {
        const { status, outcome, signal } = ended.find((result) => result.id === id)!;
        return id.includes("TERM") ? [id, status] : [id, status, outcome, signal]; // mksh prints no message for SIGTERM
      }),
      [
        ["kill -9 $$", 137, "killed", "SIGKILL"],
        ["kill -9 $PPID; sleep 60", 137, "killed", "SIGKILL"],
        ["kill -9 0", 137, "killed", "SIGKILL"],
        ["kill -TERM 0; :", 143],
        ["kill -SEGV 0", 139, "killed", "SIGSEGV"],
        ["exec nosuch", 127, "failed", undefined],
      ],
    );
  });
});

test("processes of a task that kills its worker are terminated", async () => {
  await withTempDirectory(async (directory) => {
    const [result] = await inOneWorker([{ cmd: `echo $$ > ${directory}/pid; kill -9 $PPID; sleep 300` }]);
    assertEquals([result!.status, result!.outcome], [137, "killed"]);
    assert(!isAlive(Number(await readFile(join(directory, "pid"), "utf8"))));
  });
});

test("a task that kills its worker during its termination is terminated", async () => {
  await withTempDirectory(async (directory) => {
    // A task that ignores SIGTERM looks like a starting task. Its child records the arrival of SIGTERM.
    const cmd = `
      cd ${directory}
      (trap 'echo > ended' TERM; echo > child; until [ -e ended ]; do sleep 0.02; done) &
      until [ -e child ]; do sleep 0.02; done
      trap '' TERM
      echo $$ > pid
      until [ -e ended ]; do sleep 0.02; done
      kill -9 $PPID
      exec sleep 300`;
    const [, late, after] = await inOneWorker([{ cmd: "true" }, { cmd, timeoutMs: 2000 }, { cmd: "echo after" }], {
      killAfterMs: 500,
    });
    assertEquals([late!.outcome, after!.stdout], ["timeout", "after\n"]);
    assert(!isAlive(Number(await readFile(join(directory, "pid"), "utf8"))));
  });
});

test("a worker that its task stops is continued", async () => {
  const results = await inOneWorker([{ cmd: "kill -STOP $PPID; echo stopped" }, { cmd: "echo next" }]);
  assertEquals(results.map(({ outcome, stdout }) => [outcome, stdout]), [["ok", "stopped\n"], ["ok", "next\n"]]);
});

/** Returns an adapter that changes each process that it starts. */
async function adapterThat(change: (worker: ChildProcess) => ChildProcess): Promise<SpawnAdapter> {
  const { name, canSignal, spawn } = await defaultSpawnAdapter();
  return { name, canSignal, spawn: async (options) => change(await spawn(options)) };
}

/** Returns a worker whose scripts pass through a function. */
function withChangedScripts(worker: ChildProcess, change: (text: string) => string): ChildProcess {
  const { stdin } = worker;
  return stdin === null
    ? worker
    : { ...worker, stdin: { ...stdin, write: (script) => stdin.write(change(`${script}`)) } };
}

async function assertAllRun(spawnAdapter: SpawnAdapter): Promise<void> {
  const tasks = [{ cmd: "echo first" }, { cmd: "echo second" }, { cmd: "echo third" }, { cmd: ["echo", "fourth"] }];
  const results = await inOneWorker(tasks, { spawnAdapter, cleanup: false });
  assertEquals(
    results.map(({ outcome, stdout }) => [outcome, stdout]),
    ["first", "second", "third", "fourth"].map((word) => ["ok", `${word}\n`]),
  );
}

test("a worker that dies before its first task is replaced", async () => {
  let workers = 0;
  const spawnAdapter = await adapterThat((worker) => {
    if (worker.stdin === null || workers++ > 0) return worker;
    let writes = 0;
    return withChangedScripts(worker, (text) => {
      if (++writes === 2) process.kill(worker.pid, "SIGKILL"); // during the probe
      return text;
    });
  });
  await assertAllRun(spawnAdapter);
  assertEquals(workers, canLaunch() ? 3 : 2); // the last one belongs to the launcher
});

test("a task whose worker exits before the task starts runs in its own process", async () => {
  await assertAllRun(
    await adapterThat((worker) =>
      withChangedScripts(worker, (text) => text.includes("second") ? `exit 3\n${text}` : text)
    ),
  );
});

test("a worker that is stopped at its start, or while idle, is continued", async () => {
  const spawnAdapter = await adapterThat((worker) => {
    process.kill(worker.pid, "SIGSTOP");
    return worker;
  });
  assertEquals((await inOneWorker([{ cmd: "echo late" }], { spawnAdapter, cleanup: false }))[0]!.stdout, "late\n");
  await withTempDirectory(async (directory) => {
    const until = (file: string) => `until test -e ${directory}/${file}; do sleep 0.01; done`;
    const stop = `(${until("ended")}; kill -STOP $PPID; touch ${directory}/stopped) >/dev/null 2>&1 &`;
    const results = run([{ cmd: stop }, { cmd: until("stopped") }], { executor: "shell", concurrency: 2 });
    assertEquals((await results.next()).value!.outcome, "ok");
    await writeFile(join(directory, "ended"), "");
    assertEquals((await results.next()).value!.outcome, "ok");
    assertEquals((await results.next()).done, true); // which requires the end of the workers
  });
});

test("a timeout spares background processes of earlier tasks of the slot", async () => {
  await withTempDirectory(async (directory) => {
    const [, late, after] = await inOneWorker([
      { cmd: `sleep 300 >/dev/null 2>&1 & echo $! > ${directory}/left` },
      { cmd: `sleep 301 & echo $! > ${directory}/child; wait`, timeoutMs: 2000 },
      { cmd: "echo after" },
    ]);
    assertEquals([late!.outcome, after!.stdout], ["timeout", "after\n"]);
    const [left, child] = await Promise.all(["left", "child"].map(async (name) => {
      return Number(await readFile(join(directory, name), "utf8"));
    }));
    assert(isAlive(left!), "the background process was terminated, too");
    assert(!isAlive(child!));
    process.kill(left!, "SIGKILL");
  });
});

test("a background process never writes into the output of another task", async () => {
  await withTempDirectory(async (directory) => {
    const noisy = `(while test -e ${directory}; do echo noise; echo noise >&2; sleep 0.001; done) &`;
    const waits = `i=0; while [ $i -lt 20 ]; do i=$((i+1)); sleep 0.005; done; echo quiet`;
    const results = await inOneWorker([{ cmd: noisy }, { cmd: waits }, { cmd: "echo quiet" }]);
    assertEquals(results.slice(1).map(({ stdout, stderr }) => [stdout, stderr]), [["quiet\n", ""], ["quiet\n", ""]]);
  });
});

test("SIGTERM ends a task that is stopped at the moment of its start", async () => {
  for (let round = 0; round < 30; round++) {
    const results = run([{ cmd: "sleep 300" }], { executor: "shell", signal: AbortSignal.timeout(round) });
    const startedMs = performance.now();
    const { outcome } = (await results.next()).value!;
    assertEquals(outcome, "canceled");
    assert(performance.now() - startedMs < 4_000, "the task needed SIGKILL");
    await results.return();
  }
});

test("the directory of a worker is private, and is removed after any end of the program", async () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
    await withTempDirectory(async (directory) => {
      // The glob hides the name of the descriptor, which would make the outputs pipes.
      const cmd = "dirname $(readlink /proc/$$/f?/2) > path; echo $$ > pid; exec sleep 300";
      const { child, ended } = startTaskrunner([], { stdin: jsonLines([{ cmd, cwd: directory }]) });
      const read = async (name: string) => (await readFile(join(directory, name), "utf8").catch(() => "")).trim();
      await waitFor("the task", async () => await read("pid") !== "");
      const path = await read("path");
      assertStringIncludes(path, "/taskrunner-");
      for (const inside of [path, join(path, "..")]) assertEquals((await stat(inside)).mode & 0o777, 0o700);
      process.kill(child.pid!, signal);
      await ended;
      await waitFor("the directory to be gone", () => !existsSync(join(path, "..")));
    });
  }
});

test("the directory of a worker is removed when the program is killed during a termination", async () => {
  await withTempDirectory(async (directory) => {
    const find = "dirname $(readlink /proc/$$/f?/2) > path";
    const cmd = `trap ': > asked' TERM; ${find}; : > on; until test -e go; do sleep 0.01; done`;
    const args = ["--kill-after", "60s"];
    const { child, ended } = startTaskrunner(args, { stdin: jsonLines([{ cmd, cwd: directory }]) });
    await waitFor("the task", () => existsSync(join(directory, "on")));
    process.kill(child.pid!, "SIGTERM");
    await waitFor("SIGTERM to arrive", () => existsSync(join(directory, "asked")));
    process.kill(child.pid!, "SIGKILL");
    await ended;
    await writeFile(join(directory, "go"), "");
    const path = (await readFile(join(directory, "path"), "utf8")).trim();
    assertStringIncludes(path, "/taskrunner-");
    await waitFor("the directory to be gone", () => !existsSync(join(path, "..")));
  });
});

test("the directory of a dead worker is removed before the result arrives", async () => {
  await withTempDirectory(async (directory) => {
    const look = "ls $(dirname $(dirname $(readlink /proc/$$/f?/2)))";
    const results = run([
      { cmd: "kill -9 $PPID" },
      { cmd: `until test -e ${directory}/go; do sleep 0.01; done; ${look}` },
    ], { executor: "shell", concurrency: 2 });
    assertEquals((await results.next()).value!.outcome, "killed");
    await writeFile(join(directory, "go"), "");
    assertEquals((await results.next()).value!.stdout.trim().split("\n").length, 1);
    await results.return();
  });
});

test("a worker is replaced when its location runs out of space", async () => {
  if (!CAN_MOUNT) return skipTest("this user cannot mount file systems");
  await Sandbox.with(async (sandbox) => {
    const look = "dirname $(readlink /proc/$$/f?/2)";
    const tasks = [
      {
        id: "1",
        cmd: `${look}; echo $PPID >${sandbox.directory}/pid; head -c 100M /dev/zero >/dev/shm/used; sleep 0.1`,
      },
      { id: "2", cmd: `${look}; while kill -0 $(cat ${sandbox.directory}/pid) 2>/dev/null; do sleep 0.01; done` },
    ];
    const setup = "mount -t tmpfs -o size=1100m tmpfs /dev/shm"; // the required space, and some more
    const { status, stderr } = await (await sandbox.run(tasks, ["-j1", "--max-output", "1M"], {}, setup)).ended;
    assertEquals([status, stderr], [0, ""]);
    const [first, second] = sandbox.results().map(({ stdout }) => stdout);
    assertStringIncludes(first!, "/dev/shm/");
    assertStringIncludes(second!, sandbox.env.TMPDIR!);
    await sandbox.waitForCleanup();
  });
});

test("a worker without its directory reports errors, and is replaced", async () => {
  const remove = "rm -r $(dirname $(readlink /proc/$$/f?/2)); echo lost";
  const results = await inOneWorker([{ cmd: remove }, { cmd: "cat", stdin: "next\n" }, { cmd: ["echo", "another"] }]);
  assertEquals([results[0]!.outcome, results[0]!.status, results[0]!.stdout], ["failed", 0, ""]);
  assertStringIncludes(results[0]!.error!, "Cannot keep all of the output");
  assertEquals(results.slice(1).map(({ outcome, stdout }) => [outcome, stdout]), [["ok", "next\n"], [
    "ok",
    "another\n",
  ]]);
});

test("ScratchDirectory skips locations without enough space, and detects full ones", async () => {
  await withTempDirectory(async (directory) => {
    const [first, second] = [join(directory, "first"), join(directory, "second")];
    await mkdir(first);
    await mkdir(second);
    const location = (path: string, minFreeBytes: number) => ({ ...unlimitedLocation(path), minFreeBytes });
    const enough = new ScratchDirectory(undefined, [location(first, 1), location(second, 0)]);
    const planned = enough.reserve();
    planned.nameAfter(17);
    assertEquals(planned.path, join(planned.parent, "17"));
    assertStringIncludes(planned.parent, first);
    assertEquals(await readdir(first), []);
    planned.make();
    assert((await stat(planned.path)).isDirectory());
    assertEquals((await stat(planned.parent)).mode & 0o777, 0o700);
    await enough.close();
    const tooLittle = new ScratchDirectory(undefined, [location(first, 2 ** 60), location(second, 0)]);
    const worker = tooLittle.reserve();
    worker.make();
    assertStringIncludes(worker.parent, second);
    assertEquals([worker.hasSpace, worker.isFull], [true, false]);
    await tooLittle.close();
    assertEquals([await readdir(first), await readdir(second)], [[], []]);
    assertThrows(
      () => new ScratchDirectory(undefined, [location(join(directory, "none"), 0)]).reserve(),
      Error,
      "Cannot create a scratch directory: no location is writable and has enough free space",
    );
  });
});

test("ScratchDirectory tries a location once, and again after an error", async () => {
  await withTempDirectory(async (directory) => {
    const [first, second] = [join(directory, "first"), join(directory, "second")];
    await mkdir(first);
    await mkdir(second);
    const scratch = new ScratchDirectory(undefined, [unlimitedLocation(first), unlimitedLocation(second)]);
    const workers = [scratch.reserve()];
    await rm(first, { recursive: true });
    workers.push(scratch.reserve());
    assertThrows(() => workers[1]!.make(), Error, "ENOENT");
    workers.push(scratch.reserve());
    workers[2]!.make();
    assertEquals(workers.map(({ parent }) => dirname(parent)), [first, first, second]);
    await scratch.close();
    assertEquals(await readdir(second), []);
  });
});

test("ScratchDirectory limits the workers in memory to those whose output leaves space", async () => {
  await withTempDirectory(async (directory) => {
    const [memory, disk] = [join(directory, "memory"), join(directory, "disk")];
    await mkdir(memory);
    await mkdir(disk);
    let freeBytes = 10;
    const scratch = new ScratchDirectory(undefined, [
      { ...unlimitedLocation(memory), minFreeBytes: 3, bytesPerWorker: 3, freeBytes: () => freeBytes },
      unlimitedLocation(disk),
    ]);
    const locationOf = ({ parent }: { parent: string }) => parent.startsWith(memory) ? "memory" : "disk";
    const workers = [scratch.reserve(), scratch.reserve(), scratch.reserve()];
    assertEquals(workers.map(locationOf), ["memory", "memory", "disk"]);
    workers[0]!.remove();
    workers[0]!.remove(); // a second call has no effect
    assertEquals([scratch.reserve(), scratch.reserve()].map(locationOf), ["memory", "disk"]);
    freeBytes = 8; // another program takes memory
    assertEquals(workers.slice(1).map(({ hasSpace }) => hasSpace), [false, true]);
    await scratch.close();
  });
});

test("without workers, tasks run in their own processes", async () => {
  const missing = await inOneWorker([{ cmd: "echo hi" }, { cmd: ["echo", "ho"] }], { shell: "/no/such/shell" });
  assertEquals(missing.map(({ outcome, stdout }) => [outcome, stdout]), [["not-started", ""], ["ok", "ho\n"]]);
});

test("a program that cannot run is `not-started`, whatever message the shell prints", async () => {
  if (lacks("bash", "busybox", "mksh")) return;
  await withTempDirectory(async (directory) => {
    const [ash, file] = [join(directory, "ash"), join(directory, "file")];
    await symlink((await shell("command -v busybox")).stdout.trim(), ash);
    await writeFile(file, "");
    const tasks = [
      ["no-such-program"],
      [join(directory, "none")],
      ["./none"],
      [file],
      [directory],
      ["/bin/true", "x".repeat(200_000)], // by its path, because busybox has a built-in true
      ["sh", "-c", "echo 'sh: 1: x: not found' >&2; exit 127"],
    ].map((cmd): Task => ({ cmd, cwd: directory }));
    const ends = (results: TaskResult[]) => results.map(({ outcome, status, error }) => [outcome, status, error]);
    const expected = ends(await collect(run(tasks, { executor: "process", keepOrder: true })));
    assertEquals(expected.map(([outcome]) => outcome), [...Array(6).fill("not-started"), "failed"]);
    for (const program of ["dash", "bash", "mksh", ash]) {
      assertEquals([program, ends(await inOneWorker(tasks, { shell: program }))], [program, expected]);
    }
  });
});

test("attempts that no worker can run get their own process", async () => {
  const [variable, program, last] = await inOneWorker([
    { cmd: ["env"], env: { "a-b": "1", C: "2" } },
    { cmd: ["-x", "y"] },
    { cmd: "echo $$ $PPID; ps -o pgid= -p $$", env: { PS1: "x" } },
  ]);
  const [inBash] = await inOneWorker([{ cmd: ["-x", "y"] }], { shell: "bash" });
  assertEquals([inBash!.outcome, inBash!.error], [program!.outcome, program!.error]);
  const variables = variable!.stdout.split("\n");
  assertEquals([variables.includes("a-b=1"), variables.includes("C=2")], [true, true]);
  assertEquals([program!.outcome, program!.error], [
    "not-started",
    'Cannot start the task: the program "-x" was not found',
  ]);
  const [pid, parent, group] = last!.stdout.trim().split(/\s+/);
  assertEquals([group, Number(parent)], [pid, process.pid]);
});

test("an array runs as a child of a worker, like a string", async () => {
  const looks = [{ cmd: ["sh", "-c", "echo $PPID"] }, { cmd: "echo $PPID" }];
  const parents = (await inOneWorker([...looks, ...looks])).map(({ stdout }) => Number(stdout));
  assertEquals(parents.slice(2), parents.slice(0, 2));
  assertEquals(new Set(parents).size, canLaunch() ? 2 : 1);
  assert(!parents.includes(process.pid));
});

test("the directory of a worker has only files of the running task", async () => {
  const look = "cd $(dirname $(readlink /proc/$$/f?/2)) && ls && stat -Lc %a /proc/$$/f?/0";
  const before = [
    { cmd: "cat; echo e >&2", stdin: "x" },
    { cmd: ["cat"], stdin: "x" },
    { cmd: "echo >/dev/stderr" },
    { cmd: "echo", cwd: "/no/such/directory", stdin: "x" },
    { cmd: ["no-such-program"], stdin: "x" },
    { cmd: "true" },
  ];
  const [last] = (await inOneWorker([...before, { cmd: look, stdin: "x" }])).slice(-1);
  assertMatch(last!.stdout, /^(\d+)\.err\n\1\.in\n\1\.out\n600\n$/);
});

test("output that looks like a message of the shell is not changed", async () => {
  await withTempDirectory(async (directory) => {
    const program = join(directory, "say");
    await writeProgram(program, '#!/bin/sh\necho "sh: $1: said" >&2\nexit $2\n');
    // The worker reads some lines for each task, so one of the tasks runs at the line in its message.
    for (const [line, status, before] of [[40, 3, ""], ...[40, 41, 42].map((line) => [line, 127, "true; "])]) {
      const tasks = Array.from({ length: 50 }, () => ({ cmd: `${before}${program} ${line} ${status}` }));
      const said = (await inOneWorker(tasks, { shell: "sh" })).map(({ stderr }) => stderr);
      assertEquals(new Set(said), new Set([`sh: ${line}: said\n`]));
    }
    await writeProgram(program, "#!/bin/sh\necho something that is longer than that >&2\nexit 127\n");
    const [other] = await inOneWorker([{ cmd: program }]);
    assertEquals([other!.status, other!.stderr], [127, "something that is longer than that\n"]);
  });
});

test("a run without tasks ends", async () => {
  assertEquals(await inOneWorker([]), []);
});

test("without workers, timeouts still terminate tasks", async () => {
  const [late] = await inOneWorker([{ cmd: ["sleep", "300"], timeoutMs: 100 }], { shell: "/no/such/shell" });
  assertEquals([late!.outcome, late!.signal], ["timeout", "SIGTERM"]);
});

test("a task that opens its output by a descriptor name does not truncate the output", async () => {
  const cmd = "echo a >&2; echo b >/dev/stderr; echo c >/dev/stdout; echo d; (exit 4)";
  const copy = { cmd: ["tee", "/dev/stderr"], stdin: "x\n" };
  const results = await inOneWorker([{ cmd }, { cmd: ["sh", "-c", cmd] }, copy]);
  assertEquals(results.map(({ status, stdout, stderr }) => [status, stdout, stderr]), [
    [4, "c\nd\n", "a\nb\n"],
    [4, "c\nd\n", "a\nb\n"],
    [0, "x\n", "x\n"],
  ]);
});

test("the CPU time of a task does not include that of earlier tasks", async () => {
  const busy = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
  const times = (await inOneWorker([{ cmd: busy }, { cmd: "true" }, { cmd: busy }]))
    .map(({ userMs, systemMs }) => userMs! + systemMs!);
  assert(times[0]! >= 20 && times[1]! <= 20 && times[2]! >= 20, `${times}`);
});

// The following tests pin the known differences from a fresh shell, as listed in docs/reference/runtimes.md.

test(
  "known difference: the shell prints no message when a signal ends the last program of a command",
  async () => {
    const [worker] = await inOneWorker([{ cmd: "sh -c 'kill -KILL $$'" }], { shell: "dash" });
    assertEquals([worker!.status, worker!.outcome, worker!.signal, worker!.stderr], [137, "killed", "SIGKILL", ""]);
  },
);

test("known difference: the parent of a task is its worker, and tasks of a slot share a process group", async () => {
  const look = "echo $PPID; ps -o pgid= -p $$";
  for (const cmd of [look, ["sh", "-c", look]]) {
    const results = await inOneWorker([{ cmd }, { cmd }]);
    const seen = new Set(results.map(({ stdout }) => stdout.replace(/\s+/g, " ")));
    assertEquals(seen.size, 1);
    const [parent, group] = [...seen][0]!.trim().split(" ");
    assertEquals(parent, group);
  }
});

test("known difference: the worker evaluates a command that is too long for an argument", async () => {
  const longestBytes = 128 * 1024 - 1; // with the NUL at its end
  const command = (text: string) => ({ cmd: `: ${text}; f() { nosuch; }; f` });
  const room = longestBytes - command("").cmd.length;
  const texts = ["x".repeat(50_000), "x".repeat(room), "x".repeat(room + 1), "é".repeat(70_000)];
  const results = await inOneWorker(texts.map(command), { shell: "dash" });
  const [fresh, evaluated] = ["dash: 1: nosuch: not found\n", "dash: 1: eval: nosuch: not found\n"];
  assertEquals(results.map(({ status, stderr }) => [status, stderr]), [
    [127, fresh],
    [127, fresh],
    [127, evaluated],
    [127, evaluated],
  ]);
});

test(
  "known difference: a background process can write to its removed output file without an error",
  async () => {
    await withTempDirectory(async (directory) => {
      const [result] = await inOneWorker([{
        cmd: `(until test -e ${directory}/end; do echo noise; sleep 0.001; done; echo $? > ${directory}/ended) &`,
      }]);
      assertEquals(result!.outcome, "ok");
      await writeFile(join(directory, "end"), "");
      await waitFor("its end", () => existsSync(join(directory, "ended")));
    });
  },
);

test("known difference: dash drops variables whose names are not valid in a shell", async () => {
  const script = `echo '{"cmd":["env"]}' | env not.a-name=x taken=y $RUNTIME cli.ts --shell dash`;
  const [result] = parseResults((await shell(script)).stdout);
  assertEquals(/^taken=y$/m.test(result!.stdout), true);
  assertEquals(/^not.a-name=x$/m.test(result!.stdout), false);
});

test("idle workers are dismissed when no process can start", async () => {
  const real = await defaultSpawnAdapter();
  let alive = 0;
  // Allows one process at a time, as if descriptors were exhausted.
  const spawnAdapter: SpawnAdapter = {
    ...real,
    async spawn(options) {
      if (alive > 0) throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
      alive++;
      const child = await real.spawn(options);
      const end = () => alive--;
      child.exited.then(end, end);
      return child;
    },
  };
  const executor = createExecutor({ executor: "shell", spawnAdapter, cleanup: false });
  const start = (slot: number, cmd: string) => {
    const attempt = { task: { cmd }, id: `${slot}`, sequence: 1, number: 1, slot };
    return executor.start(attempt, { onOutputLimit() {}, onStart() {} }).ended;
  };
  try {
    assertEquals((await start(2, "echo hi")).stdout.text, "hi\n");
    await waitFor("room for another slot", async () => {
      const { ending, stdout } = await start(1, "echo ho");
      return ending.kind === "exited" && stdout.text === "ho\n";
    });
  } finally {
    await executor.close();
  }
});
