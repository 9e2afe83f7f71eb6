/** Tests of the options of `run` and `TaskRunner`. */

import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import {
  InvalidTaskError,
  parseTask,
  run,
  type RunOptions,
  type Task,
  TaskRunner,
  type TaskRunnerOptions,
} from "../../mod.ts";
import { TASK_RUNNER_OPTION_NAMES } from "../../isolate/task_runner.ts";
import { RUN_OPTION_NAMES } from "../../runner.ts";
import { collect } from "../support/helpers.ts";
import { test } from "../support/test.ts";

test("run() and TaskRunner reject an unknown option and suggest the right one", () => {
  const problems: [options: object, message: string][] = [
    [{ concurency: 2 }, 'unknown option "concurency", did you mean "concurrency"?'],
    [{ timeoutms: 2 }, 'unknown option "timeoutms", did you mean "timeoutMs"?'],
    [{ Retry: undefined }, 'unknown option "Retry", did you mean "retry"?'],
    [{ jobs: 1 }, 'unknown option "jobs", use "concurrency"'],
    [{ limit: 1 }, 'unknown option "limit", use "concurrency"'],
    [{ timeout: 1 }, 'unknown option "timeout", use "timeoutMs", in milliseconds'],
    [{ retries: 1 }, 'unknown option "retries", use "retry": { limit: … }'],
    [{ retryDelayMs: 1 }, 'unknown option "retryDelayMs", use "retry": { delayMs: … }'],
    [{ maxRetryDelayMs: 1 }, 'unknown option "maxRetryDelayMs", use "retry": { maxDelayMs: … }'],
    [{ retryOn: [] }, 'unknown option "retryOn", use "retry": { on: … }'],
    [{ failFast: true }, 'unknown option "failFast", use "halt", such as { when: "now", on: "fail", count: 1 }'],
    [{ maxBuffer: 1 }, 'unknown option "maxBuffer", use "maxOutputBytes"'],
    [{ cwd: "/" }, 'unknown option "cwd", which is a field of each task'],
    [{ env: {} }, 'unknown option "env", which is a field of each task'],
    [{ command: "x" }, 'unknown option "command", use the field "cmd" of each task'],
    [{ stdinFile: "x" }, 'unknown option "stdinFile", which is a field of each task'],
    [{ inputFile: "x" }, 'unknown option "inputFile", use the field "stdin" of each task, as in { stdin: { file } }'],
  ];
  for (const [options, message] of problems) {
    assertThrows(() => run([], options as RunOptions), TypeError, `Cannot start the pool: ${message}`);
    assertThrows(() => new TaskRunner(options as TaskRunnerOptions), TypeError, `Cannot create the runner: ${message}`);
  }
  assertThrows(
    () => run([], { isolate: true } as RunOptions),
    TypeError,
    '"isolate", which is an option of TaskRunner',
  );
  assertThrows(
    () => new TaskRunner({ total: 1 } as TaskRunnerOptions),
    TypeError,
    '"total", because a TaskRunner counts its tasks itself',
  );
});

test("run() and TaskRunner reject options that are not an object", () => {
  for (const options of [4, "4", [4], null]) {
    assertThrows(
      () => run([], options as RunOptions),
      TypeError,
      "options must be an object such as { concurrency: … }",
    );
  }
  for (const options of ["4", [4], null]) {
    assertThrows(() => new TaskRunner(options as TaskRunnerOptions), TypeError, "options must be an object");
  }
});

test("the advice for unknown options names existing options and covers no known one", () => {
  for (const { known, advice } of [RUN_OPTION_NAMES, TASK_RUNNER_OPTION_NAMES]) {
    assertEquals(known.filter((name) => advice.has(name)), []);
    const recommended = [...advice.values()].flatMap((text) => /^use "(.*?)"/.exec(text)?.[1] ?? []);
    assertEquals(recommended.filter((name) => name !== "total" && !known.includes(name)), []);
  }
});

test("undefined variables of a task are omitted", async () => {
  const env = { A: "1", B: undefined, "C-D": undefined };
  const task: Task = { cmd: 'echo "$A ${B-none}"', env };
  assertEquals(parseTask(task).env, env);
  assertThrows(() => parseTask({ cmd: "x", env: { A: null } }), InvalidTaskError, '"env.A" must be a string, got null');
  for (const executor of ["shell", "process"] as const) {
    const [result] = await collect(run([task], { executor }));
    assertEquals(result!.stdout, "1 none\n");
  }
  const runner = new TaskRunner();
  runner.add(task);
  await runner.runAndWait(({ stdout }) => assertEquals(stdout, "1 none\n"));
});

test("process.env is a valid env of a task", async () => {
  for (const executor of ["shell", "process"] as const) {
    const [result] = await collect(run([{ cmd: 'echo "$PATH"', env: process.env }], { executor }));
    assertEquals([result!.outcome, result!.stdout], ["ok", `${process.env.PATH}\n`]);
  }
});
