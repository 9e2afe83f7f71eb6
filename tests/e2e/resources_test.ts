/** Resources that run out while tasks run: disks, descriptors, processes, memory, and places that are not there. */

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

/** Calls a function for both executors at once, each with a place of its own. Nothing of the runs may be left then. */
async function withBoth(use: (sandbox: Sandbox, executor: string[]) => Promise<void>): Promise<void> {
  await Promise.all(EXECUTORS.map((name) =>
    Sandbox.with(async (sandbox) => {
      await use(sandbox, ["--executor", name]);
      await sandbox.waitForCleanup();
    })
  ));
}

/** Tasks that print so many bytes, whatever becomes of what they print. */
function printing(count: number, bytes: number): Task[] {
  const cmd = `head -c ${bytes} /dev/zero 2>/dev/null | tr '\\0' x 2>/dev/null; :`;
  return Array.from({ length: count }, (_, index) => ({ id: `${index}`, cmd }));
}

const idsOf = (tasks: readonly Task[]) => tasks.map(({ id }) => `${id}`);

/** Every task has one result, and was ok. */
function assertAllOk(sandbox: Sandbox, tasks: readonly Task[], { status, stderr }: Ended): void {
  assertEquals([status, stderr], [0, ""]);
  sandbox.assertOneResultEach(idsOf(tasks));
  assertEquals(sandbox.results().filter(({ outcome }) => outcome !== "ok"), []);
}

/** The run has ended early, said why, and written valid results of some of the tasks. */
function assertEndedEarly(sandbox: Sandbox, tasks: readonly Task[], { status, stderr }: Ended, reason: string): void {
  assertEquals(status, 255, stderr);
  assertStringIncludes(stderr, reason);
  const ids = sandbox.results().map(({ id }) => id);
  assert(ids.length < tasks.length && new Set(ids).size === ids.length, ids.join());
}

/** A limit of the size of files, in blocks of 512 bytes. Deno's own caches are no matter of ours: it would end at these. */
const limitFiles = (blocks: number) => `${RUNTIME === "deno" ? "trap '' XFSZ; " : ""}ulimit -f ${blocks}`;

/** Whether all of the output of a task is there, or the result says that it is not. */
async function isHonest(result: TaskResult, bytes: number): Promise<boolean> {
  if (result.outcome !== "ok") return result.error !== undefined;
  return (result.stdoutFile ? (await readFile(result.stdoutFile)).length : result.stdout.length) === bytes;
}

/** A tmpfs of that size in the place of a directory, and as much as fits of what is to be in it. */
function disk(directory: string, size: string, used = "0"): string {
  return `mount -t tmpfs -o size=${size} tmpfs "${directory}" && ` +
    `{ head -c ${used} /dev/zero >"${directory}/used" 2>/dev/null || :; }`;
}
const NO_MEMORY_DISK = disk("/dev/shm", "64k", "64k");

/** The files with the limits of control groups, in their first and second version. */
const LIMITS = { memory: ["memory.limit_in_bytes", "memory.max"], pids: ["pids.max", "pids.max"] } as const;
type Controller = keyof typeof LIMITS;

/** Where control groups can be made, and the file with the limit; `undefined` where that is for others. */
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

/** Runs the tool in a control group of its own. What `then` does comes after it. */
function inGroup({ parent, limitFile }: NonNullable<typeof MEMORY_GROUPS>, limit: string, then = ":"): string {
  return `group=$(mktemp -d ${parent}/taskrunner-test-XXXXXX) && echo ${limit} >"$group/${limitFile}" && {
    inside() { sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$@"; }
    inside "$@"; status=$?
    ${then}
    until rmdir "$group" 2>/dev/null; do sleep 0.05; done
    exit $status
  }`;
}

test("a full results disk ends the run, and --resume does the rest when there is room", SLOW, async () => {
  if (!CAN_MOUNT) return skipTest("this user must not make mounts");
  const tasks = printing(30, 1_000);
  await withBoth(async (sandbox, executor) => {
    const full = join(sandbox.directory, "full");
    await mkdir(full);
    const output = join(full, "results.jsonl");
    const keep = (name: string) => `cp "${output}" "${join(sandbox.directory, name)}"`;
    // The disk is seen by the run only: what is on it is copied before it goes.
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

test("results that have no room on a device are an error that says so", SLOW, async () => {
  const tasks = printing(3, 10);
  await withBoth(async (sandbox, executor) => {
    const device = await (await sandbox.run(tasks, [...executor, "-o", "/dev/full"])).ended;
    assertEndedEarly(sandbox, tasks, device, 'Cannot write results to "/dev/full": no space left on the device');
  });
});

test("a limit of the size of files ends the run where results would pass it", SLOW, async () => {
  const tasks = printing(30, 2_000);
  await withBoth(async (sandbox, executor) => {
    const ended = await (await sandbox.run(tasks, [...executor, "-j2"], {}, limitFiles(64))).ended;
    assertEndedEarly(sandbox, tasks, ended, "the file would exceed the size limit");
    assert(sandbox.results().length > 5);
    assertAllOk(sandbox, tasks, await (await sandbox.run(tasks, [...executor, "--resume"])).ended);
  });
});

test("a limit of the size of files does not cut what a task prints, but a file that cannot hold it", SLOW, async () => {
  // 320,000 bytes may be in a file. What is printed goes on, and of what could not be kept it is said.
  const told = "head -c 500000 /dev/zero; echo $? >&2";
  const tasks: Task[] = [...printing(1, 250_000), { id: "large", cmd: told }];
  await withBoth(async (sandbox, executor) => {
    const args = [...executor, "-j1", "--max-inline", "1k"];
    const { status } = await (await sandbox.run(tasks, args, {}, limitFiles(625))).ended;
    assertEquals(status, 1);
    sandbox.assertOneResultEach(idsOf(tasks));
    const [small, large] = sandbox.results();
    assert(await isHonest(small!, 250_000) && small!.outcome === "ok");
    assertEquals([large!.outcome, large!.status, large!.stderr, large!.stdoutBytes], ["failed", 0, "0\n", 500_000]);
    assertEquals(large!.error, "Cannot keep all of the output: the file would exceed the size limit");
  });
});

test("with full disks for temporary files everything runs, and nothing is lost", SLOW, async () => {
  if (!CAN_MOUNT) return skipTest("this user must not make mounts");
  const tasks: Task[] = [...printing(4, 100_000), { id: "stdin", cmd: "cat", stdin: "x".repeat(100_000) }];
  await withBoth(async (sandbox, executor) => {
    const setup = `${NO_MEMORY_DISK} && ${disk("$TMPDIR", "64k", "64k")}`;
    const ended = await (await sandbox.run(tasks, [...executor, "-j2"], {}, setup)).ended;
    assertAllOk(sandbox, tasks, ended);
    for (const result of sandbox.results()) assert(await isHonest(result, 100_000), result.id);
  });
});

test(
  "output that a disk for temporary files could not hold, also for a moment, is never silently cut",
  SLOW,
  async () => {
    if (!CAN_MOUNT) return skipTest("this user must not make mounts");
    const bytes = 80_000_000;
    const until = (flag: string) => `until [ -e ${flag} ]; do sleep 0.01; done`;
    const fill = `head -c ${bytes} /dev/zero >"$TMPDIR/fill" 2>/dev/null`;
    const tasks: Task[] = [
      // Long enough to be seen, and over before the other one ends.
      { id: "fill", cmd: `${fill}; : > full; ${until("printed")}; sleep 2; rm "$TMPDIR/fill"; : > free` },
      { id: "meanwhile", cmd: `${until("full")}; echo lost 2>/dev/null; : > printed; ${until("free")}` },
      ...printing(1, bytes), // more than there is, and then it is away again
      { id: "after", cmd: "echo hi" },
    ];
    await withBoth(async (sandbox, executor) => {
      const setup = `${NO_MEMORY_DISK} && ${disk("$TMPDIR", "72m")}`;
      const spill = join(sandbox.directory, "spill");
      await mkdir(spill);
      const placed = tasks.map((task) => ({ ...task, cwd: sandbox.directory }));
      await (await sandbox.run(placed, [...executor, "-j2", "--spill-dir", spill], {}, setup)).ended;
      sandbox.assertOneResultEach(idsOf(tasks));
      const results = new Map(sandbox.results().map((result) => [result.id, result]));
      assert(await isHonest(results.get("0")!, bytes), results.get("0")!.error);
      assert(await isHonest(results.get("meanwhile")!, "lost\n".length), results.get("meanwhile")!.error);
      assertEquals([results.get("after")!.outcome, results.get("after")!.stdout], ["ok", "hi\n"]);
      // A part of an output in a file would look like all of it.
      const kept = sandbox.results().filter(({ outcome }) => outcome === "ok").flatMap((result) =>
        result.stdoutFile ?? []
      );
      assertEquals(readdirSync(spill).map((name) => join(spill, name)), kept);
      assertEquals(sandbox.results().flatMap((result) => result.stdoutFile ?? []), kept);
    });
  },
);

test("a full disk for large output is said in the result, and leaves no part of a file", SLOW, async () => {
  if (!CAN_MOUNT) return skipTest("this user must not make mounts");
  const tasks = printing(3, 100_000);
  await withBoth(async (sandbox, executor) => {
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

/** How many descriptors each runtime needs for its own. */
const OWN_DESCRIPTORS = { bun: 12, deno: 22, node: 26 }[RUNTIME];

/** Tasks of one process each, so that a shortage never is their own. */
const single = (count: number): Task[] =>
  Array.from({ length: count }, (_, index) => ({ id: `${index}`, cmd: ["sleep", "0.1"] }));

test("with too few descriptors for -j, tasks wait for those that run", SLOW, async () => {
  const tasks = single(30);
  await withBoth(async (sandbox, executor) => {
    for (const limit of [OWN_DESCRIPTORS + 15, OWN_DESCRIPTORS + 40]) {
      const ended = await (await sandbox.run(tasks, [...executor, "-j20"], {}, `ulimit -n ${limit}`)).ended;
      assertAllOk(sandbox, tasks, ended);
      await rm(sandbox.output);
    }
  });
});

test("with too few descriptors for any task the run ends, and --resume does all", SLOW, async () => {
  const tasks = single(3);
  await withBoth(async (sandbox, executor) => {
    const ended = await (await sandbox.run(tasks, executor, {}, `ulimit -n ${OWN_DESCRIPTORS}`)).ended;
    // What needs one too many first may also be the runtime, which then has words and a status of its own.
    assert(ended.status !== 0 && /too many open files/i.test(ended.stderr), ended.stderr);
    assertEquals(sandbox.results(), []);
    assertAllOk(sandbox, tasks, await (await sandbox.run(tasks, [...executor, "--resume"])).ended);
  });
});

test(
  "in a program that has used up its descriptors tasks wait, and a TaskRunner says that there are too few",
  SLOW,
  async () => {
    // In a process of its own: this one runs other tests.
    const { stdout, stderr } = await shell("ulimit -n 100; exec $RUNTIME tests/fixtures/used_up_descriptors.ts");
    const shortage = "ResourceShortageError Cannot start a process for the tasks";
    assertEquals([stdout, stderr], [`shell true 8 8\nprocess true 8 8\n${shortage}\n`, ""]);
  },
);

test("with too few processes for -j, tasks wait for those that run", SLOW, async () => {
  if (!PROCESS_GROUPS) return skipTest("this user must not make control groups");
  const tasks: Task[] = [...single(20), ...["a", "b", "c"].map((id) => ({ id, cmd: "echo hi" }))];
  const ownProcesses = { bun: 10, deno: 16, node: 16 }[RUNTIME]; // the threads of the runtime count
  // Bun starts these threads when it first needs them, and aborts when it cannot.
  const noLateThreads = { BUN_JSC_useConcurrentJIT: "0", BUN_JSC_numberOfGCMarkers: "1" };
  await withBoth(async (sandbox, executor) => {
    for (const limit of EFFORT === 1 ? [ownProcesses + 8] : [4, 6, 8, 12, 20].map((more) => ownProcesses + more)) {
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

test("a shell that dies before its first task is known not to have run it", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "short-lived");
    await writeProgram(path, '#!/bin/sh\n[ $# = 0 ] || exec sh "$@"\nsed -u "/_report .* 1 /q" | sh\n');
    const results = await collect(run([{ cmd: "echo hi" }, { cmd: ["echo", "ho"] }], { shell: path, concurrency: 1 }));
    assertEquals(results.map(({ outcome, stdout }) => [outcome, stdout]), [["ok", "hi\n"], ["ok", "ho\n"]]);
  });
});

test("a task that runs out of memory is the only one that is killed", SLOW, async () => {
  if (lacks("python3")) return;
  if (!MEMORY_GROUPS) return skipTest("this user must not make control groups");
  const eat = "b'x' * 400_000_000";
  const tasks: Task[] = [
    { id: "array", cmd: ["python3", "-c", eat] },
    { id: "text", cmd: `python3 -c "${eat}"` },
    { id: "own limit", cmd: `ulimit -v 100000; python3 -c "${eat}"` },
    { id: "after", cmd: "echo hi" },
  ];
  await withBoth(async (sandbox, executor) => {
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

test("tasks may print more than there is memory", SLOW, async () => {
  if (!CAN_MOUNT || !MEMORY_GROUPS) return skipTest("this user must not make mounts and control groups");
  const tasks: Task[] = ["a", "b"].map((id) => ({ id, cmd: `yes ${"c".repeat(30)} | head -c 200000000` }));
  await withBoth(async (sandbox, executor) => {
    const setup = `mount -t tmpfs tmpfs /dev/shm && ${inGroup(MEMORY_GROUPS!, "300m")}`;
    assertAllOk(sandbox, tasks, await (await sandbox.run(tasks, [...executor, "-j2"], {}, setup)).ended);
    for (const { stdoutBytes, stdoutFile } of sandbox.results()) {
      assertEquals([stdoutBytes, (await stat(stdoutFile!)).size], [200_000_000, 200_000_000]);
    }
  });
});

test("a runner that is killed for want of memory can be resumed", SLOW, async () => {
  if (lacks("python3")) return;
  if (!MEMORY_GROUPS) return skipTest("this user must not make control groups");
  // The system is told to end the runner before the task, which then has room enough.
  const eat = `[ -e "$EATEN" ] && exit; touch "$EATEN"; echo 0 >/proc/self/oom_score_adj
    exec python3 -c "b'x' * 385 * 1024 ** 2"`;
  const tasks: Task[] = [...single(4), { id: "eat", cmd: eat }, ...["a", "b"].map((id) => ({ id, cmd: "true" }))];
  await withBoth(async (sandbox, executor) => {
    const env = { EATEN: join(sandbox.directory, "eaten") };
    const again = `echo $status >"${sandbox.directory}/first"; inside "$@"; status=$?`;
    const setup = `echo 1000 >/proc/self/oom_score_adj; ${inGroup(MEMORY_GROUPS!, "400m", again)}`;
    const { status } = await (await sandbox.run(tasks, [...executor, "-j1", "--resume"], { env }, setup)).ended;
    assertEquals([status, await readFile(join(sandbox.directory, "first"), "utf8")], [0, "137\n"]);
    sandbox.assertOneResultEach(idsOf(tasks));
    // The system may have ended the worker with it, which then cannot clean up.
    for (const path of sandbox.temporaryFiles()) await rm(path, { recursive: true, force: true });
  });
});

test(
  "a directory or a shell that is removed while tasks run is named in the results of those that need it",
  SLOW,
  async () => {
    await withBoth(async (sandbox, executor) => {
      const cwd = join(sandbox.directory, "cwd");
      await mkdir(cwd);
      const ownShell = join(sandbox.directory, "own-shell");
      const tasks: Task[] = [
        { id: "in it", cmd: "echo hi", cwd },
        { id: "remove", cmd: ["rm", "-r", cwd, ownShell] },
        { id: "gone 1", cmd: "echo hi", cwd },
        { id: "gone 2", cmd: ["echo", "hi"], cwd },
        { id: "shell", cmd: "echo $$" }, // has a shell of its own with both executors
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

/** As a message has it. */
function excerptOf(path: string): string {
  return path.length > 60 ? `${JSON.stringify(path.slice(0, 60)).slice(0, 60)}…` : JSON.stringify(path);
}

test("without a directory for temporary files, a home or any environment everything runs", SLOW, async () => {
  if (!CAN_MOUNT) return skipTest("this user must not make mounts");
  const tasks: Task[] = [{ id: "a", cmd: "echo hi" }, { id: "b", cmd: ["echo", "hi"] }, {
    id: "c",
    cmd: "cat|cat",
    stdin: "hi\n",
  }];
  await withBoth(async (sandbox, executor) => {
    for (
      const setup of [
        `${NO_MEMORY_DISK}; export TMPDIR=/nowhere`,
        `${NO_MEMORY_DISK} && mount -t tmpfs -o ro tmpfs "$TMPDIR"; unset HOME`,
        `set -- env -i ${RUNTIME === "deno" ? '"PATH=$PATH"' : ""} "$@"`, // without it Deno has only its own directory there
      ]
    ) {
      assertAllOk(sandbox, tasks, await (await sandbox.run(tasks, executor, {}, setup)).ended);
      await rm(sandbox.output);
    }
  });
});

test("results that cannot be written anywhere are an error before anything runs", SLOW, async () => {
  if (!CAN_MOUNT) return skipTest("this user must not make mounts");
  await withBoth(async (sandbox, executor) => {
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
