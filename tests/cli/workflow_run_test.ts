/** Runs of task files with prerequisites: counts, exit statuses, notices and output. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { TaskFile } from "../../cli/task_file.ts";
import type { Task } from "../../records/task.ts";
import type { TaskResult } from "../../records/result.ts";
import { ResultIndex } from "../../results/result_index.ts";
import { startRun } from "../../runner.ts";
import { FakeExecutor } from "../support/fake_executor.ts";
import { fakeIo } from "../support/fake_io.ts";
import {
  jsonLines,
  PROJECT,
  randomNumbers,
  SEED,
  shell,
  startTaskrunner,
  taskFile,
  taskrunner,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Returns a random workflow, whose tasks wait for earlier and later ones, but never for each other. */
function randomWorkflow(random: () => number): Task[] {
  const count = 1 + Math.floor(random() * 12);
  const ranks = Array.from({ length: count }, () => random());
  return ranks.map((rank, index) => {
    const after = ranks.flatMap((other, id) => other < rank && random() < 0.4 ? [id] : []);
    const runIf = (["ok", "done", "failed"] as const)[Math.floor(random() * 3)]!;
    const isFailed = runIf === "failed";
    if (after.length === 0 && (isFailed || random() < 0.5)) return { id: index, cmd: "x" };
    return { id: index, cmd: "x", after, ...random() < 0.7 && { runIf } };
  });
}

test("count() is the number of results of every run and resumed run", { timeout: 120_000 }, async () => {
  const random = randomNumbers(SEED);
  await withTempDirectory(async (directory) => {
    const path = join(directory, "tasks.jsonl");
    for (let trial = 0; trial < 300; trial++) {
      await writeFile(path, jsonLines(randomWorkflow(random)));
      const results: TaskResult[] = [];
      for (const resume of [undefined, "failed", "canceled", "failed", "failed"] as const) {
        const recorded = resume && new ResultIndex(resume === "failed");
        for (const result of results) recorded?.add(result);
        const input = await TaskFile.open(path, fakeIo({}));
        const options = { onInvalid: "abort", report: () => Promise.resolve(), recorded } as const;
        const total = await input.count({
          ...options,
          capacity: () => Promise.resolve({ concurrency: 3, resources: {} }),
        });
        const executor = new FakeExecutor();
        executor.onStart = (execution) => execution.end({ status: random() < 0.3 ? 1 : 0 });
        const { isWorkflow, isReadFirst, held } = input;
        const run = startRun(input.tasks(options), { concurrency: 3, executor, recorded }, {
          isWorkflow,
          isReadFirst,
          held,
        });
        const added: TaskResult[] = [];
        for await (const result of run) added.push(result);
        assertEquals(added.length, total, `seed ${SEED}, trial ${trial}, ${resume}`);
        if (random() < 0.3) added.splice(Math.floor(random() * added.length)); // the process was killed
        results.push(...added);
        held?.close();
      }
    }
  });
});

const BUILD: Task[] = [
  { id: "test", cmd: "echo test", after: "link" },
  { id: "compile", cmd: "echo error >&2; exit 3" },
  { id: "link", cmd: "echo link", after: "compile" },
  { id: "other", cmd: "exit 4" },
  { id: "deploy", cmd: "echo deploy", after: ["test", "other"] },
  { id: "clean", cmd: "echo clean", after: ["deploy"], runIf: "done" },
];

test("run counts skipped tasks apart from failures, and names their causes", async () => {
  await withTempDirectory(async (directory) => {
    const { status, stdout, stderr } = await startTaskrunner(["run", "-k", await taskFile(directory, BUILD)]).ended;
    const outcomes = stdout.trim().split("\n").map((line) => JSON.parse(line)).map(({ id, outcome }) =>
      `${id} ${outcome}`
    );
    assertEquals(outcomes, [
      "test skipped",
      "compile failed",
      "link skipped",
      "other failed",
      "deploy skipped",
      "clean ok",
    ]);
    assertEquals(status, 2);
    const lines = stderr.trimEnd().split("\n");
    assertEquals(lines.slice(0, 2).sort(), [
      'taskrunner: "compile" failed with status 3: error',
      'taskrunner: "other" failed with status 4',
    ]);
    assertEquals(lines[2], 'taskrunner: 3 tasks were skipped because the outcome of "compile" is failed');
    assert(/^taskrunner: 6 tasks in .*: 3 skipped, 2 failed, 1 ok$/.test(lines[3]!), stderr);
  });
});

test("results in text come in order, and nothing of skipped tasks", async () => {
  await withTempDirectory(async (directory) => {
    const path = await taskFile(directory, BUILD.map((task) => ({ ...task, cmd: `echo ${task.id}` })));
    const { status, stdout } = await taskrunner(["run", "-k", "--format", "text", path]);
    assertEquals([status, stdout], [0, "test\ncompile\nlink\nother\ndeploy\nclean\n"]);
    const failing = await taskFile(directory, BUILD, "failing.jsonl");
    for (const flags of [["-k"], ["--lines"], ["--tag"], ["-j1"]]) {
      const { status, stdout } = await taskrunner(["run", "--format", "text", ...flags, failing]);
      assertEquals([status, stdout.replace("clean\t", "")], [2, "clean\n"]);
    }
  });
});

test("--resume-failed runs again what failed and what was skipped because of it, and counts the rest", async () => {
  await withTempDirectory(async (directory) => {
    const path = await taskFile(directory, BUILD);
    const results = join(directory, "results.jsonl");
    assertEquals((await taskrunner(["run", path, "-o", results])).status, 2);
    await taskFile(directory, BUILD.map((task) => task.id === "other" ? task : { ...task, cmd: `echo ${task.id}` }));
    const { status, stdout, stderr } = await startTaskrunner([
      "run",
      "-o",
      results,
      "--resume-failed",
      "--format",
      "text",
      path,
    ])
      .ended;
    assertEquals([status, stdout], [1, "compile\nlink\ntest\n"]);
    const lines = stderr.split("\n");
    assertEquals(lines.slice(0, 2), [
      'taskrunner: "other" failed with status 4',
      'taskrunner: 1 task was skipped because the outcome of "other" is failed',
    ]);
    assert(/^taskrunner: 5 tasks in .*: 3 ok, 1 failed, 1 skipped; 1 had a result$/.test(lines[2]!), stderr);
    const dryRun = await taskrunner(["run", "-o", results, "--resume-failed", "--dry-run", path]);
    assertEquals(dryRun.stderr, "taskrunner: 6 valid tasks (4 with a result), 0 invalid lines; nothing was run\n");
  });
});

test("a prerequisite with a result may be missing in the file of a resumed run", async () => {
  await withTempDirectory(async (directory) => {
    const results = join(directory, "results.jsonl");
    const first = await taskFile(directory, [{ id: "a", cmd: "true" }]);
    assertEquals((await taskrunner(["run", first, "-o", results])).status, 0);
    const second = await taskFile(directory, [{ id: "b", cmd: "echo b", after: "a" }]);
    const args = ["run", second, "--format", "text"];
    assertEquals(
      (await taskrunner(args)).stderr,
      `taskrunner: ${second}:1: "b" can never start: no task has the id "a"\n`,
    );
    const { status, stdout } = await taskrunner([...args, "-o", results, "--resume"]);
    assertEquals([status, stdout], [0, "b\n"]);
  });
});

test("tasks of a stream that can never start are skipped, and the status is 255", async () => {
  const stdin = jsonLines([
    { id: "a", cmd: "echo a", after: "b" },
    { id: "b", cmd: "echo b" },
    { id: "c", cmd: "echo c", after: "missing", runIf: "done" },
    { id: "d", cmd: "echo d", after: "d" },
  ]);
  const { status, stdout, stderr } = await startTaskrunner(["run", "-", "--format", "text"], { stdin }).ended;
  assertEquals([status, stdout], [255, "b\na\n"]);
  const lines = stderr.trimEnd().split("\n").sort();
  assertEquals(lines.length, 2, stderr);
  assert(lines.every((line) => line.startsWith("taskrunner: 1 task was skipped because ")), stderr);
  const copied = await taskrunner(["run", "-", "--total", "auto"], { stdin });
  assertEquals([copied.status, copied.stdout], [255, ""]);
  assert(copied.stderr.startsWith('taskrunner: standard input:3: "c" can never start'), copied.stderr);
});

test("a file on standard input is a stream, whose tasks wait in memory up to --max-waiting", async () => {
  await withTempDirectory(async (directory) => {
    await taskFile(directory, [
      { id: "a", cmd: "echo a", after: "c" },
      { id: "b", cmd: "echo b", after: "c" },
      { id: "c", cmd: "echo c" },
    ]);
    const run = (flags: string) => {
      return shell(`$RUNTIME ${join(PROJECT, "cli.ts")} run -j1 --format text ${flags} < tasks.jsonl`, {
        cwd: directory,
      });
    };
    const { status, stdout } = await run("-q");
    assertEquals([status, stdout], [0, "c\na\nb\n"]);
    const full = await run("-q --max-waiting 1");
    assertEquals([full.status, full.stdout], [255, ""]);
    assert(full.stderr.startsWith("taskrunner: Cannot "), full.stderr);
  });
});

test("--total auto runs a workflow from a copy of a stream", async () => {
  const stdin = jsonLines([{ id: "a", cmd: "echo a", after: "b" }, { id: "b", cmd: "echo b" }]);
  const { status, stdout } = await taskrunner(["run", "-", "--total", "auto", "--format", "text"], { stdin });
  assertEquals([status, stdout], [0, "b\na\n"]);
});

test("--on-invalid skip skips what waits for an invalid line", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "tasks.jsonl");
    const lines = [
      '{"id":"a","cmd":1}',
      '{"id":"b","cmd":"echo b","after":"a"}',
      '{"id":"c","cmd":"echo c","after":"b","runIf":"done"}',
    ];
    await writeFile(path, [...lines, '{"id":"d","cmd":"echo d"}'].join("\n"));
    const { status, stdout, stderr } = await taskrunner(["run", path, "--on-invalid", "skip", "--format", "text"]);
    assertEquals([status, stdout], [255, "d\n"]);
    const messages = stderr.trimEnd().split("\n").map((line) => line.replace(`taskrunner: ${path}:`, "").slice(0, 30));
    assertEquals(messages, ['2: "b" can never start: no tas', '1: Cannot read the task: "cmd"']);
  });
});

test("a percentage of --halt counts the tasks that the run decides", async () => {
  await withTempDirectory(async (directory) => {
    const results = join(directory, "results.jsonl");
    const tasks = [
      { id: "a", cmd: "exit 1" },
      { id: "b", cmd: "true", after: "a", runIf: "done" },
      ...Array.from({ length: 8 }, (_, index) => ({ id: `s${index}`, cmd: "true", after: "b", runIf: "failed" })),
    ];
    const path = await taskFile(directory, tasks);
    assertEquals((await taskrunner(["run", path, "-o", results])).status, 1);
    // Only a runs again, so that its failure is 100 %.
    const { status } = await taskrunner(["run", path, "-o", results, "--resume-failed", "--halt", "now,fail=50%"]);
    assertEquals(status, 100);
  });
});

test("each gives its tasks units and slots", async () => {
  const flags = ["-j4", "--resource", "gpu=2:MY_GPUS", "--resource", "gpu=3:MY_GPUS", "--uses", "gpu=2"];
  const { status, results } = await taskrunner([
    "each",
    ...flags,
    "--format",
    "json",
    'echo "$TASKRUNNER_GPU $MY_GPUS" {}',
    ":::",
    "a",
    "b",
  ]);
  assertEquals([status, results.map(({ stdout, uses }) => [stdout, uses])], [0, [["0,1 0,1 a\n", { gpu: 2 }], [
    "0,1 0,1 b\n",
    { gpu: 2 },
  ]]]);
  const { results: [slots] } = await taskrunner([
    "each",
    "-j3",
    "--slots",
    "3",
    "--priority",
    "-2",
    "--format",
    "json",
    "true",
    ":::",
    "a",
  ]);
  assertEquals(slots!.slots, 3);
});

test("--learn starts the task first on which the longest chain waits", async () => {
  await withTempDirectory(async (directory) => {
    const durations = { short: 1, long: 30_000, tail: 20_000 };
    const line = (id: string, durationMs: number) => ({
      ...{ id, status: 0, outcome: "ok", attempts: 1, slot: 1, startedAt: "2026-01-02T03:04:05.678Z", durationMs },
      ...{ stdout: "", stderr: "" },
    });
    const earlier = join(directory, "earlier.jsonl");
    await writeFile(earlier, jsonLines(Object.entries(durations).map(([id, ms]) => line(id, ms))));
    const path = await taskFile(directory, [
      { id: "short", cmd: "echo short" },
      { id: "long", cmd: "echo long" },
      { id: "head", cmd: "echo head" },
      { id: "tail", cmd: "echo tail", after: "head" },
    ]);
    const args = ["run", path, "-j1", "--format", "text"];
    assertEquals((await taskrunner(args)).stdout, "short\nlong\nhead\ntail\n");
    assertEquals((await taskrunner([...args, "--learn", earlier])).stdout, "head\nlong\ntail\nshort\n");
  });
});
