/** Exhausts disks, descriptors, processes and memory while tasks run, and removes files and directories. */

import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import { run, type Task, type TaskResult } from "../../mod.ts";
import {
  collect,
  EFFORT,
  type Ended,
  lacks,
  RUNTIME,
  shell,
  skipTest,
  TIMEOUT,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";
import { CAN_MOUNT, Sandbox } from "../support/sandbox.ts";
import { test } from "../support/test.ts";

const SLOW = { timeout: TIMEOUT.timeout * Math.max(2, EFFORT) };
const EXECUTORS = ["shell", "process"] as const;

/** Calls a function with each executor, concurrently. Asserts that no process or temporary file remains. */
async function withBothExecutors(use: (sandbox: Sandbox, executor: string[]) => Promise<void>): Promise<void> {
  await Promise.all(EXECUTORS.map((name) =>
    Sandbox.with(async (sandbox) => {
      await use(sandbox, ["--executor", name]);
      await sandbox.waitForCleanup();
    })
  ));
}

/** Returns tasks that print `bytes` bytes and succeed even if that fails. */
function printing(count: number, bytes: number): Task[] {
  const cmd = `head -c ${bytes} /dev/zero 2>/dev/null | tr '\\0' x 2>/dev/null; :`;
  return Array.from({ length: count }, (_, index) => ({ id: `${index}`, cmd }));
}

const idsOf = (tasks: readonly Task[]) => tasks.map(({ id }) => `${id}`);

/** Asserts that every task has one result, and is `ok`. */
function assertAllOk(sandbox: Sandbox, tasks: readonly Task[], { status, stderr }: Ended): void {
  assertEquals([status, stderr], [0, ""]);
  sandbox.assertOneResultEach(idsOf(tasks));
  assertEquals(sandbox.results().filter(({ outcome }) => outcome !== "ok"), []);
}

/** Asserts that the run ended early with the reason, and that the results of some tasks are valid. */
function assertEndedEarly(sandbox: Sandbox, tasks: readonly Task[], { status, stderr }: Ended, reason: string): void {
  assertEquals(status, 255, stderr);
  assertStringIncludes(stderr, reason);
  const ids = sandbox.results().map(({ id }) => id);
  assert(ids.length < tasks.length && new Set(ids).size === ids.length, ids.join());
}

/**
 * Returns a script that limits the size of files, in blocks of 512 bytes. On Deno, it ignores SIGXFSZ, which writes to Deno's
 * own cache would raise.
 */
const limitFiles = (blocks: number) => `${RUNTIME === "deno" ? "trap '' XFSZ; " : ""}ulimit -f ${blocks}`;

/** Returns whether a result has the complete output of its task, or reports an error. */
async function isCompleteOrError(result: TaskResult, bytes: number): Promise<boolean> {
  if (result.outcome !== "ok") return result.error !== undefined;
  return (result.stdoutFile ? (await readFile(result.stdoutFile)).length : result.stdout.length) === bytes;
}

/** Returns a script that mounts a tmpfs of a size at a directory and fills it with up to `used` bytes. */
function disk(directory: string, size: string, used = "0"): string {
  return `mount -t tmpfs -o size=${size} tmpfs "${directory}" && ` +
    `{ head -c ${used} /dev/zero >"${directory}/used" 2>/dev/null || :; }`;
}
const NO_MEMORY_DISK = disk("/dev/shm", "64k", "64k");

/** The files with the limits of control groups, in version 1 and 2. */
const LIMITS = { memory: ["memory.limit_in_bytes", "memory.max"], pids: ["pids.max", "pids.max"] } as const;
type Controller = keyof typeof LIMITS;

/** Returns the parent for new control groups and the name of the limit file; `undefined` without permission. */
function controlGroups(controller: Controller): { parent: string; limitFile: string } | undefined {
  const [first, second] = LIMITS[controller];
  const root = "/sys/fs/cgroup";
  const own = join(root, controller);
  try {
    const isFirst = existsSync(own);
    if (!isFirst && !readFileSync(join(root, "cgroup.subtree_control"), "utf8").includes(controller)) return undefined;
    const found = isFirst ? { parent: own, limitFile: first } : { parent: root, limitFile: second };
    accessSync(join(found.parent, "cgroup.procs"), constants.W_OK);
    return found;
  } catch {
    return undefined;
  }
}
const MEMORY_GROUPS = controlGroups("memory");
const PROCESS_GROUPS = controlGroups("pids");

/** Returns a script that runs the command in a new control group, and then the script `then`. */
function inGroup({ parent, limitFile }: NonNullable<typeof MEMORY_GROUPS>, limit: string, then = ":"): string {
  return `group=$(mktemp -d ${parent}/taskrunner-test-XXXXXX) && echo ${limit} >"$group/${limitFile}" && {
    inside() { sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$@"; }
    inside "$@"; status=$?
    ${then}
    until rmdir "$group" 2>/dev/null; do sleep 0.05; done
    exit $status
  }`;
}

test("a full disk for results ends the run, and --resume runs the other tasks when there is space", SLOW, async () => {
  if (!CAN_MOUNT) return skipTest("this user cannot mount file systems");
  const tasks = printing(30, 1_000);
  await withBothExecutors(async (sandbox, executor) => {
    const full = join(sandbox.directory, "full");
    await mkdir(full);
    const output = join(full, "results.jsonl");
    const keep = (name: string) => `cp "${output}" "${join(sandbox.directory, name)}"`;
    // Only the run sees the disk, so the script copies its files before it ends.
    const started = await sandbox.run(
      tasks,
      [...executor, "-j2", "-o", output],
      {},
      `${disk(full, "1m", "1008k")} &&
      { "$@" 2>"${full}.stderr"; echo $? >"${full}.status"; ${keep("first")}
        rm "${full}/used"; "$@" --resume; status=$?; ${keep("results.jsonl")}; exit $status; }`,
    );
    const ended = await started.ended;
    const first = sandbox.results(join(sandbox.directory, "first"));
    assert(first.length > 0 && first.length < 16, `${first.length}`);
    assertEquals(await readFile(`${full}.status`, "utf8"), "255\n");
    assertStringIncludes(
      await readFile(`${full}.stderr`, "utf8"),
      `Cannot write results to ${JSON.stringify(output)}: no space left on the device`,
    );
    assertAllOk(sandbox, tasks, ended);
  });
});

test("a full device for results ends the run with an error that names it", SLOW, async () => {
  const tasks = printing(3, 10);
  await withBothExecutors(async (sandbox, executor) => {
    const device = await (await sandbox.run(tasks, [...executor, "-o", "/dev/full"])).ended;
    assertEndedEarly(sandbox, tasks, device, 'Cannot write results to "/dev/full": no space left on the device');
  });
});

test("a run ends with an error when results exceed the file size limit", SLOW, async () => {
  const tasks = printing(30, 2_000);
  await withBothExecutors(async (sandbox, executor) => {
    const ended = await (await sandbox.run(tasks, [...executor, "-j2"], {}, limitFiles(64))).ended;
    assertEndedEarly(sandbox, tasks, ended, "the file would exceed the size limit");
    assert(sandbox.results().length > 5);
    assertAllOk(sandbox, tasks, await (await sandbox.run(tasks, [...executor, "--resume"])).ended);
  });
});

test("output beyond the file size limit does not stop its task, and is an error in the result", SLOW, async () => {
  const print = "head -c 500000 /dev/zero; echo $? >&2"; // the limit is 320,000 bytes
  const tasks: Task[] = [...printing(1, 250_000), { id: "large", cmd: print }];
  await withBothExecutors(async (sandbox, executor) => {
    const args = [...executor, "-j1", "--max-inline", "1k"];
    const { status } = await (await sandbox.run(tasks, args, {}, limitFiles(625))).ended;
    assertEquals(status, 1);
    sandbox.assertOneResultEach(idsOf(tasks));
    const [small, large] = sandbox.results();
    assert(await isCompleteOrError(small!, 250_000) && small!.outcome === "ok");
    assertEquals([large!.outcome, large!.status, large!.stderr, large!.stdoutBytes], ["failed", 0, "0\n", 500_000]);
    assertEquals(large!.error, "Cannot keep all of the output: the file would exceed the size limit");
  });
});

test("tasks run with complete output when all disks for temporary files are full", SLOW, async () => {
  if (!CAN_MOUNT) return skipTest("this user cannot mount file systems");
  const tasks: Task[] = [...printing(4, 100_000), { id: "stdin", cmd: "cat", stdin: "x".repeat(100_000) }];
  await withBothExecutors(async (sandbox, executor) => {
    const setup = `${NO_MEMORY_DISK} && ${disk("$TMPDIR", "64k", "64k")}`;
    const ended = await (await sandbox.run(tasks, [...executor, "-j2"], {}, setup)).ended;
    assertAllOk(sandbox, tasks, ended);
    for (const result of sandbox.results()) assert(await isCompleteOrError(result, 100_000), result.id);
  });
});

test(
  "output is complete or an error when the disk for temporary files is full for a moment",
  SLOW,
  async () => {
    if (!CAN_MOUNT) return skipTest("this user cannot mount file systems");
    const bytes = 80_000_000;
    const until = (flag: string) => `until [ -e ${flag} ]; do sleep 0.01; done`;
    const fill = `head -c ${bytes} /dev/zero >"$TMPDIR/fill" 2>/dev/null`;
    const tasks: Task[] = [
      // The disk is full while "meanwhile" prints, and has space again when "meanwhile" ends.
      { id: "fill", cmd: `${fill}; : > full; ${until("printed")}; sleep 2; rm "$TMPDIR/fill"; : > free` },
      { id: "meanwhile", cmd: `${until("full")}; echo lost 2>/dev/null; : > printed; ${until("free")}` },
      ...printing(1, bytes), // more than the disk can hold, and removed after the task
      { id: "after", cmd: "echo hi" },
    ];
    await withBothExecutors(async (sandbox, executor) => {
      const setup = `${NO_MEMORY_DISK} && ${disk("$TMPDIR", "72m")}`;
      const spill = join(sandbox.directory, "spill");
      await mkdir(spill);
      const inDirectory = tasks.map((task) => ({ ...task, cwd: sandbox.directory }));
      await (await sandbox.run(inDirectory, [...executor, "-j2", "--spill-dir", spill], {}, setup)).ended;
      sandbox.assertOneResultEach(idsOf(tasks));
      const results = new Map(sandbox.results().map((result) => [result.id, result]));
      assert(await isCompleteOrError(results.get("0")!, bytes), results.get("0")!.error);
      assert(await isCompleteOrError(results.get("meanwhile")!, "lost\n".length), results.get("meanwhile")!.error);
      assertEquals([results.get("after")!.outcome, results.get("after")!.stdout], ["ok", "hi\n"]);
      // A file with a part of an output would look complete.
      const kept = sandbox.results().filter(({ outcome }) => outcome === "ok").flatMap((result) =>
        result.stdoutFile ?? []
      );
      assertEquals(readdirSync(spill).map((name) => join(spill, name)), kept);
      assertEquals(sandbox.results().flatMap((result) => result.stdoutFile ?? []), kept);
    });
  },
);

test("a full disk for large output is an error in the result, and leaves no partial file", SLOW, async () => {
  if (!CAN_MOUNT) return skipTest("this user cannot mount file systems");
  const tasks = printing(3, 100_000);
  await withBothExecutors(async (sandbox, executor) => {
    const spill = join(sandbox.directory, "spill");
    await mkdir(spill);
    const setup = `${disk(spill, "128k")} && { "$@"; status=$?; ls "${spill}" >"${spill}.list"; exit $status; }`;
    const args = [...executor, "-j1", "--max-inline", "1k", "--spill-dir", spill];
    const { status } = await (await sandbox.run(tasks, args, {}, setup)).ended;
    assertEquals(status, 2);
    assertEquals(
      sandbox.results().map(({ outcome, stdoutBytes, error }) => [outcome, stdoutBytes, error]),
      ["ok", "failed", "failed"].map((outcome) => [
        outcome,
        100_000,
        outcome === "ok" ? undefined : "Cannot keep all of the output: no space left on the device",
      ]),
    );
    assertEquals(await readFile(`${spill}.list`, "utf8"), "1.stdout\nused\n");
  });
});

/** The number of descriptors that the runtime itself needs. */
const OWN_DESCRIPTORS = { bun: 12, deno: 22, node: 26 }[RUNTIME];

/** Returns tasks with a single process each, which start nothing that a shortage could affect. */
const single = (count: number): Task[] =>
  Array.from({ length: count }, (_, index) => ({ id: `${index}`, cmd: ["sleep", "0.1"] }));

test("with too few descriptors for --jobs, tasks wait for running tasks", SLOW, async () => {
  const tasks = single(30);
  await withBothExecutors(async (sandbox, executor) => {
    for (const limit of [OWN_DESCRIPTORS + 15, OWN_DESCRIPTORS + 40]) {
      const ended = await (await sandbox.run(tasks, [...executor, "-j20"], {}, `ulimit -n ${limit}`)).ended;
      assertAllOk(sandbox, tasks, ended);
      await rm(sandbox.output);
    }
  });
});

test("with too few descriptors for any task, the run ends, and --resume runs all tasks", SLOW, async () => {
  const tasks = single(3);
  await withBothExecutors(async (sandbox, executor) => {
    const ended = await (await sandbox.run(tasks, executor, {}, `ulimit -n ${OWN_DESCRIPTORS}`)).ended;
    // The runtime may run out of descriptors first, with its own message and status.
    assert(ended.status !== 0 && /too many open files/i.test(ended.stderr), ended.stderr);
    assertEquals(sandbox.results(), []);
    assertAllOk(sandbox, tasks, await (await sandbox.run(tasks, [...executor, "--resume"])).ended);
  });
});

test(
  "in a program without free descriptors, tasks of run() wait, and TaskRunner reports the shortage",
  SLOW,
  async () => {
    // In another process, because this one runs other tests.
    const { stdout, stderr } = await shell("ulimit -n 100; exec $RUNTIME tests/fixtures/used_up_descriptors.ts");
    const shortage = "ResourceShortageError Cannot start a process for the tasks";
    assertEquals([stdout, stderr], [`shell true 8 8\nprocess true 8 8\n${shortage}\n`, ""]);
  },
);

test("with too few processes for --jobs, tasks wait for running tasks", SLOW, async () => {
  if (!PROCESS_GROUPS) return skipTest("this user cannot create control groups");
  const tasks: Task[] = [...single(20), ...["a", "b", "c"].map((id) => ({ id, cmd: "echo hi" }))];
  const ownProcesses = { bun: 10, deno: 16, node: 16 }[RUNTIME]; // the threads of the runtime count
  // Bun starts these threads on demand, and aborts if that fails.
  const noLateThreads = { BUN_JSC_useConcurrentJIT: "0", BUN_JSC_numberOfGCMarkers: "1" };
  await withBothExecutors(async (sandbox, executor) => {
    for (const limit of EFFORT === 1 ? [ownProcesses + 8] : [4, 6, 8, 12, 20].map((others) => ownProcesses + others)) {
      const args = [...executor, "-j16"];
      assertAllOk(
        sandbox,
        tasks,
        await (await sandbox.run(tasks, args, { env: noLateThreads }, inGroup(PROCESS_GROUPS!, `${limit}`))).ended,
      );
      await rm(sandbox.output);
    }
  });
});

test("a task runs in another process when its shell dies before its first task", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "short-lived");
    await writeProgram(path, '#!/bin/sh\n[ $# = 0 ] || exec sh "$@"\nsed -u "/_report .* 1 /q" | sh\n');
    const results = await collect(run([{ cmd: "echo hi" }, { cmd: ["echo", "ho"] }], { shell: path, concurrency: 1 }));
    assertEquals(results.map(({ outcome, stdout }) => [outcome, stdout]), [["ok", "hi\n"], ["ok", "ho\n"]]);
  });
});

test("when a task runs out of memory, only that task is killed", SLOW, async () => {
  if (lacks("python3")) return;
  if (!MEMORY_GROUPS) return skipTest("this user cannot create control groups");
  const eat = "b'x' * 400_000_000";
  const tasks: Task[] = [
    { id: "array", cmd: ["python3", "-c", eat] },
    { id: "text", cmd: `python3 -c "${eat}"` },
    { id: "own limit", cmd: `ulimit -v 100000; python3 -c "${eat}"` },
    { id: "after", cmd: "echo hi" },
  ];
  await withBothExecutors(async (sandbox, executor) => {
    const setup = inGroup(MEMORY_GROUPS!, "250m");
    const { status, stderr } = await (await sandbox.run(tasks, [...executor, "-j1"], {}, setup)).ended;
    assertEquals([status, stderr], [3, ""]);
    sandbox.assertOneResultEach(idsOf(tasks));
    const [array, text, limited, after] = sandbox.results();
    assertEquals([array!.outcome, array!.signal], ["killed", "SIGKILL"]);
    assertEquals([limited!.outcome, limited!.status], ["failed", 1]);
    assertEquals([text!.status, text!.stdout], [137, ""]);
    assertEquals([after!.outcome, after!.stdout], ["ok", "hi\n"]);
  });
});

test("tasks can print more than fits in memory", SLOW, async () => {
  if (!CAN_MOUNT || !MEMORY_GROUPS) return skipTest("this user can create neither mounts nor control groups");
  const tasks: Task[] = ["a", "b"].map((id) => ({ id, cmd: `yes ${"c".repeat(30)} | head -c 200000000` }));
  await withBothExecutors(async (sandbox, executor) => {
    const setup = `mount -t tmpfs tmpfs /dev/shm && ${inGroup(MEMORY_GROUPS!, "300m")}`;
    assertAllOk(sandbox, tasks, await (await sandbox.run(tasks, [...executor, "-j2"], {}, setup)).ended);
    for (const { stdoutBytes, stdoutFile } of sandbox.results()) {
      assertEquals([stdoutBytes, (await stat(stdoutFile!)).size], [200_000_000, 200_000_000]);
    }
  });
});

test("a run that the out-of-memory killer ended can be resumed", SLOW, async () => {
  if (lacks("python3")) return;
  if (!MEMORY_GROUPS) return skipTest("this user cannot create control groups");
  // oom_score_adj makes the system kill the runner, not the task, which then has enough memory.
  const eat = `[ -e "$EATEN" ] && exit; touch "$EATEN"; echo 0 >/proc/self/oom_score_adj
    exec python3 -c "b'x' * 385 * 1024 ** 2"`;
  const tasks: Task[] = [...single(4), { id: "eat", cmd: eat }, ...["a", "b"].map((id) => ({ id, cmd: "true" }))];
  await withBothExecutors(async (sandbox, executor) => {
    const env = { EATEN: join(sandbox.directory, "eaten") };
    const again = `echo $status >"${sandbox.directory}/first"; inside "$@"; status=$?`;
    const setup = `echo 1000 >/proc/self/oom_score_adj; ${inGroup(MEMORY_GROUPS!, "400m", again)}`;
    const { status } = await (await sandbox.run(tasks, [...executor, "-j1", "--resume"], { env }, setup)).ended;
    assertEquals([status, await readFile(join(sandbox.directory, "first"), "utf8")], [0, "137\n"]);
    sandbox.assertOneResultEach(idsOf(tasks));
    // The system may have killed the worker too, which then cannot clean up.
    for (const path of sandbox.temporaryFiles()) await rm(path, { recursive: true, force: true });
  });
});

test(
  "results name the working directory or shell that was removed during the run",
  SLOW,
  async () => {
    await withBothExecutors(async (sandbox, executor) => {
      const cwd = join(sandbox.directory, "cwd");
      await mkdir(cwd);
      const ownShell = join(sandbox.directory, "own-shell");
      const tasks: Task[] = [
        { id: "in it", cmd: "echo hi", cwd },
        { id: "remove", cmd: ["rm", "-r", cwd, ownShell] },
        { id: "gone 1", cmd: "echo hi", cwd },
        { id: "gone 2", cmd: ["echo", "hi"], cwd },
        { id: "shell", cmd: "echo $$" }, // needs a new shell with both executors
        { id: "program", cmd: ["echo", "hi"] },
      ];
      const args = [...executor, "-j1", "--shell", ownShell];
      const { status } = await (await sandbox.run(tasks, args, {}, `cp "$(command -v sh)" "${ownShell}"`)).ended;
      assertEquals(status, 3);
      sandbox.assertOneResultEach(idsOf(tasks));
      const directoryError = `Cannot start the task: the working directory ${excerptOf(cwd)} does not exist`;
      assertEquals(sandbox.results().map(({ outcome, status, error }) => [outcome, status, error]), [
        ["ok", 0, undefined],
        ["ok", 0, undefined],
        ["not-started", 126, directoryError],
        ["not-started", 126, directoryError],
        ["not-started", 127, `Cannot start the task: the program ${excerptOf(ownShell)} was not found`],
        ["ok", 0, undefined],
      ]);
    });
  },
);

/** Returns a path as messages quote it. */
function excerptOf(path: string): string {
  return path.length > 60 ? `${JSON.stringify(path.slice(0, 60)).slice(0, 60)}…` : JSON.stringify(path);
}

test("tasks run without a directory for temporary files, a home or an environment", SLOW, async () => {
  if (!CAN_MOUNT) return skipTest("this user cannot mount file systems");
  const tasks: Task[] = [{ id: "a", cmd: "echo hi" }, { id: "b", cmd: ["echo", "hi"] }, {
    id: "c",
    cmd: "cat|cat",
    stdin: "hi\n",
  }];
  await withBothExecutors(async (sandbox, executor) => {
    for (
      const setup of [
        `${NO_MEMORY_DISK}; export TMPDIR=/nowhere`,
        `${NO_MEMORY_DISK} && mount -t tmpfs -o ro tmpfs "$TMPDIR"; unset HOME`,
        `set -- env -i ${RUNTIME === "deno" ? '"PATH=$PATH"' : ""} "$@"`, // without PATH, Deno uses only its own directory
      ]
    ) {
      assertAllOk(sandbox, tasks, await (await sandbox.run(tasks, executor, {}, setup)).ended);
      await rm(sandbox.output);
    }
  });
});

test("a read-only file system for results is an error before any task runs", SLOW, async () => {
  if (!CAN_MOUNT) return skipTest("this user cannot mount file systems");
  await withBothExecutors(async (sandbox, executor) => {
    const directory = join(sandbox.directory, "read-only");
    await mkdir(directory);
    const touched = join(sandbox.directory, "touched");
    const tasks: Task[] = [{ id: "touch", cmd: ["touch", touched] }];
    const output = join(directory, "results.jsonl");
    const setup = `mount -t tmpfs -o ro tmpfs "${directory}"`;
    const ended = await (await sandbox.run(tasks, [...executor, "-o", output], {}, setup)).ended;
    assertEndedEarly(
      sandbox,
      tasks,
      ended,
      `Cannot write results to ${JSON.stringify(output)}: the file system is read-only`,
    );
    assert(!readdirSync(sandbox.directory).includes("touched"));
  });
});
