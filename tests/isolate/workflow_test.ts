import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { type Outcome, type Task, TaskRunner, type TaskRunnerOptions } from "../../mod.ts";
import { TIMEOUT } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const RECORDED: Record<string, Outcome> = { built: "ok", broken: "failed", stale: "skipped", retried: "skipped" };

/** Runs tasks, and calls a function after each result, which may add tasks. Returns the results by id, in their order. */
async function runTasks(
  tasks: Task[],
  options: TaskRunnerOptions,
  onResult: (id: string, runner: TaskRunner) => void = () => {},
): Promise<Record<string, string>> {
  const runner = new TaskRunner({ concurrency: 3, ...options });
  for (const task of tasks) runner.add(task);
  const results: Record<string, string> = {};
  await runner.runAndWait(({ id, outcome, stdout, error }) => {
    results[id] = outcome === "ok" ? stdout.trim() : error ?? outcome;
    onResult(id, runner);
  });
  return results;
}

for (const isolate of [true, false]) {
  const where = isolate ? "in its own process" : "in this process";

  test(`TaskRunner runs a workflow ${where}, to which tasks are added`, TIMEOUT, async () => {
    const tasks: Task[] = [
      { id: "b", cmd: "echo b", after: "a" },
      { id: "c", cmd: 'echo "$TASKRUNNER_GPU"', after: ["b"], uses: { gpu: 2 } },
      { id: "a", cmd: "echo a" },
      { id: "failed", cmd: "exit 3", after: "c" },
      { id: "never", cmd: "echo never", after: "failed" },
      { id: "cleanup", cmd: "echo cleanup", after: ["never", "a"], runIf: "done" },
    ];
    const results = await runTasks(tasks, { isolate, resources: { gpu: 2 } }, (id, runner) => {
      if (id === "cleanup") runner.add({ id: "late", cmd: "echo late", after: "cleanup" });
    });
    assertEquals(Object.entries(results), [
      ["a", "a"],
      ["b", "b"],
      ["c", "0,1"],
      ["failed", "failed"],
      ["never", 'Skipped because the outcome of "failed" is failed'],
      ["cleanup", "cleanup"],
      ["late", "late"],
    ]);
  });

  test(`TaskRunner skips tasks ${where} whose prerequisites were never added`, TIMEOUT, async () => {
    const tasks: Task[] = [
      { id: "a", cmd: "echo a" },
      { id: "b", cmd: "echo b", after: ["a", "added later"] },
      { id: "c", cmd: "echo c", after: "never added", runIf: "done" },
      { id: "d", cmd: "echo d", after: "e" },
      { id: "e", cmd: "echo e", after: "d" },
    ];
    const results = await runTasks(tasks, { isolate }, (id, runner) => {
      if (id === "a") runner.add({ id: "added later", cmd: "echo later" });
    });
    const cycle = 'Skipped because of a cycle: "d" after "e" after "d"';
    assertEquals(results, {
      "a": "a",
      "added later": "later",
      "b": "b",
      "c": 'Skipped because no task has the id "never added"',
      "d": cycle,
      "e": cycle,
    });
  });

  test(`TaskRunner counts prerequisites ${where} by their recorded outcomes`, TIMEOUT, async () => {
    const tasks: Task[] = [
      { id: "link", cmd: "echo link", after: "built" },
      { id: "report", cmd: "echo report", after: ["broken", "built"] },
      { id: "repair", cmd: "echo repair", after: "broken", runIf: "failed" },
      { id: "stale", cmd: "echo stale", after: "broken" },
      { id: "retried", cmd: "echo retried", after: "link" },
    ];
    const recorded = { outcomeOf: (id: string) => RECORDED[id] };
    assertEquals(await runTasks(tasks, { isolate, recorded }), {
      link: "link",
      report: 'Skipped because the outcome of "broken" is failed',
      repair: "repair",
      retried: "retried",
    });
  });
}

test("TaskRunner refuses a function of this process as an estimate", () => {
  const message = "Cannot create the runner: estimateMs is a function of this process; set { isolate: false }";
  assertThrows(() => new TaskRunner({ estimateMs: () => 1 }), RangeError, message);
});
