import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { exitStatusOfHalt } from "../../cli/halt_status.ts";
import { parseHalt } from "../../cli/args/halt.ts";
import { countOf, HaltCounter, haltPolicy } from "../../pool/halt.ts";
import {
  type Halt,
  type Progress,
  type RetryOutcome,
  run,
  type RunOptions,
  type Task,
  type TaskResult,
} from "../../mod.ts";
import { OUTCOMES } from "../../records/result.ts";
import { backoffMs } from "../../pool/backoff.ts";
import { RETRY_OUTCOMES } from "../../pool/retry.ts";
import { FakeExecutor, type FakeResult, instantExecutor, TERMINATED } from "../support/fake_executor.ts";
import { collect, waitFor } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const tasks = (count: number, task: Partial<Task> = {}): Task[] =>
  Array.from({ length: count }, (_, index) => ({ id: index + 1, cmd: "x", ...task }));

/** Returns an executor whose attempts end at once, with the given status of each task in order. */
function executorOf(statuses: readonly number[]): FakeExecutor {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.end({ status: statuses[execution.attempt.sequence - 1]! });
  return executor;
}

const outcomes = (results: TaskResult[]) => results.map(({ outcome }) => outcome);

test("timeoutMs and retry of the run apply to tasks without their own", async () => {
  const executor = new FakeExecutor();
  const input = [{ cmd: "a" }, { cmd: "b", timeoutMs: 86_400_000, retries: 0 }];
  const results = run(input, { executor, concurrency: 2, timeoutMs: 1, retry: 1, keepOrder: true });
  const first = results.next();
  await waitFor("the second attempt", () => executor.executions.length === 3);
  executor.executions[1]!.end({ status: 1 });
  const { outcome, attempts } = (await first).value!;
  assertEquals([outcome, attempts], ["timeout", 2]);
  const second = (await results.next()).value!;
  assertEquals([second.outcome, second.attempts], ["failed", 1]);
});

test("a task that waits for a retry takes no slot, and is retried before new tasks start", async () => {
  const executor = new FakeExecutor();
  const order: string[] = [];
  executor.onStart = (execution) => {
    const { id, number } = execution.attempt;
    order.push(`${id}.${number}`);
    if (id === "1") execution.end({ status: number === 1 ? 1 : 0 });
  };
  const results = run(tasks(4), { executor, concurrency: 1, retry: { limit: 1, delayMs: 5 } });
  const all = collect(results);
  await waitFor("the second task in the only slot", () => order.length === 2);
  const waited = performance.now();
  await waitFor("the end of the wait", () => performance.now() - waited > 10);
  assertEquals(order, ["1.1", "2.1"]);
  for (const id of [2, 3, 4]) {
    await waitFor(`task ${id}`, () => executor.executions.some(({ attempt }) => attempt.id === `${id}`));
    executor.executions.at(-1)!.end();
  }
  assertEquals(order, ["1.1", "2.1", "1.2", "3.1", "4.1"]);
  assertEquals((await all).map(({ id, attempts }) => `${id}.${attempts}`), ["2.1", "1.2", "3.1", "4.1"]);
});

test("a retry without a delay starts before new tasks", async () => {
  const executor = executorOf([1, 0, 0]);
  await collect(run(tasks(3), { executor, concurrency: 1, retry: { limit: 1, delayMs: 0 } }));
  const order = executor.executions.map(({ attempt: { id, number } }) => `${id}.${number}`);
  assertEquals(order, ["1.1", "1.2", "2.1", "3.1"]);
});

test("a due retry without a slot, after concurrency was lowered, keeps the run alive", async () => {
  const executor = new FakeExecutor();
  const seen: Progress[] = [];
  const results = run(tasks(2), {
    executor,
    concurrency: 2,
    retry: 1,
    onProgress: (progress) => seen.push(progress),
  });
  const all = collect(results);
  await waitFor("two attempts", () => executor.executions.length === 2);
  await new Promise((resolve) => setTimeout(resolve)); // until the end of the source is read
  results.concurrency = 1;
  executor.executions[0]!.end({ status: 1 });
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(executor.executions.length, 2);
  executor.executions[1]!.end();
  await waitFor("the other attempt", () => executor.executions.length === 3);
  executor.executions[2]!.end();
  assertEquals((await all).map(({ id, attempts }) => `${id}.${attempts}`), ["2.1", "1.2"]);
  assertEquals(seen.at(-1)!.retrying, 0);
  assert(seen.some(({ running, retrying }) => running === 0 && retrying === 1));
});

test("backoffMs() doubles up to a maximum, with random jitter of up to half", () => {
  const delay = { firstMs: 100, maxMs: 350 };
  assertEquals([1, 2, 3, 9].map((attempts) => backoffMs(delay, attempts, () => 1)), [100, 200, 350, 350]);
  assertEquals([1, 2, 3].map((attempts) => backoffMs(delay, attempts, () => 0)), [50, 100, 175]);
  assertEquals(backoffMs({ firstMs: 1000, maxMs: 350 }, 5, () => 1), 1000);
  assertEquals(backoffMs({ firstMs: 1, maxMs: 350 }, 5_000, () => 1), 350);
  for (let attempts = 1; attempts < 5; attempts++) {
    const ms = backoffMs(delay, attempts);
    assert(ms >= 50 && ms <= 350);
  }
});

test("backoffMs() is a valid timer delay after any number of attempts", () => {
  for (const firstMs of [0, Number.MIN_VALUE, 0.1, 1, 300_000, 2 ** 31 - 1]) {
    for (const maxMs of [0, 0.1, 350, 2 ** 31 - 1]) {
      for (const attempts of [1, 2, 32, 1_023, 1_024, 1_025, 1_026, 5_000, 1_000_000, Number.MAX_SAFE_INTEGER]) {
        const [least, most] = [0, 1].map((random) => backoffMs({ firstMs, maxMs }, attempts, () => random));
        const longestMs = Math.max(firstMs, maxMs);
        const isRight = least! >= 0 && least! <= most! && most! <= longestMs;
        assert(isRight, `${least} to ${most} ms after ${attempts} attempts with ${firstMs} ms, at most ${maxMs}`);
        if (firstMs === 0) assertEquals(most, 0);
        else if (attempts > 5_000) assertEquals([least, most], [longestMs / 2, longestMs]);
      }
    }
  }
});

test("a task without a delay is retried more than a thousand times without a timer", async () => {
  const executor = executorOf([1]);
  let waiting = 0;
  const { setTimeout } = globalThis;
  globalThis.setTimeout = ((...args: Parameters<typeof setTimeout>) => {
    waiting++;
    return setTimeout(...args);
  }) as typeof setTimeout;
  try {
    const [result] = await collect(run(tasks(1), { executor, retry: 1_100 }));
    assertEquals([result!.attempts, waiting], [1_101, 0]);
  } finally {
    globalThis.setTimeout = setTimeout;
  }
});

test("the first of timeout and output limit is the outcome, and the error includes the missing output", async () => {
  const outputError = "Output was truncated to its first 5 bytes";
  const resultWith = async (timeoutMs: number) => {
    const executor = new FakeExecutor();
    executor.onStart = (execution) => execution.endsAtOnce = false;
    const next = run([{ cmd: "x", timeoutMs, retries: 0 }], { executor, killAfterMs: 7 }).next();
    await waitFor("the attempt", () => executor.executions.length === 1);
    const [execution] = executor.executions;
    if (timeoutMs === 1) await waitFor("the timeout", () => execution!.terminations.length === 1);
    execution!.exceedOutput();
    assertEquals(execution!.terminations, timeoutMs === 1 ? [7, 7] : [7]);
    execution!.end({ status: 143, outputError });
    const { outcome, status, error } = (await next).value!;
    return [outcome, status, error];
  };
  const loud = `The task printed more than its limit allows. ${outputError}`;
  assertEquals(await resultWith(60_000), ["output-limit", 143, loud]);
  const late = `The task took longer than its timeout allows. ${outputError}`;
  assertEquals(await resultWith(1), ["timeout", 124, late]);
});

test("an output limit that is found after the end of a task counts, without a retry", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.exit();
  const next = run([{ cmd: "x", retries: 1 }], { executor }).next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  executor.executions[0]!.exceedOutput();
  executor.executions[0]!.end();
  const { outcome, status, error } = (await next).value!;
  assertEquals([outcome, status, error], ["output-limit", 0, "The task printed more than its limit allows"]);
});

test("no new task starts while 1,000 tasks wait for a retry", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.end({ status: 1 });
  const results = run(tasks(1_500), { executor, concurrency: 1, retry: { limit: 1, delayMs: 86_400_000 } });
  const first = results.next();
  await waitFor("1,000 tasks that wait", () => executor.executions.length >= 1_000);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(executor.executions.length, 1_000);
  await results.return();
  assertEquals((await first).done, true);
});

test("with keepOrder, a task that waits for a retry delays only later results", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => {
    const { sequence, number } = execution.attempt;
    if (sequence > 1 || number === 2) execution.end();
    else execution.end({ status: 1 });
  };
  const results = await collect(run(tasks(2_000), {
    executor,
    concurrency: 3,
    retry: { limit: 1, delayMs: 20 },
    keepOrder: true,
  }));
  assertEquals(results.map(({ id }) => Number(id)), tasks(2_000).map(({ id }) => id));
});

test("stopping a run cancels a task that waits for a retry, with the output of its last attempt", async () => {
  for (const stop of ["signal", "drain", "return"] as const) {
    const executor = new FakeExecutor();
    executor.onStart = (execution) => execution.end({ status: 3, stdout: { text: "so far" } });
    const abort = new AbortController();
    const options: RunOptions = {
      executor,
      concurrency: 1,
      retry: { limit: 5, delayMs: 86_400_000 },
      signal: abort.signal,
    };
    const results = run(tasks(1), options);
    const first = results.next();
    await waitFor("the attempt", () => executor.executions.length === 1);
    await new Promise((resolve) => setTimeout(resolve));
    if (stop === "return") {
      await results.return();
      assertEquals((await first).done, true);
      assertEquals(executor.discarded.length, 1);
      continue;
    }
    if (stop === "signal") abort.abort(new RangeError("enough"));
    else results.drain();
    const { outcome, status, attempts, stdout, error } = (await first).value!;
    assertEquals([outcome, status, attempts, stdout], ["canceled", 3, 1, "so far"]);
    assertEquals(error, "The run was stopped before the task could be retried");
    if (stop === "signal") await assertRejects(() => results.next(), RangeError, "enough");
    else assertEquals((await results.next()).done, true);
  }
});

test("drain() stops starting tasks, and running tasks finish", async () => {
  const executor = new FakeExecutor();
  const results = run(tasks(10), { executor, concurrency: 2 });
  const all = collect(results);
  await waitFor("two attempts", () => executor.executions.length === 2);
  results.drain();
  results.drain();
  executor.executions[0]!.end({ status: 0 });
  executor.executions[1]!.end({ status: 1 });
  assertEquals(outcomes(await all), ["ok", "failed"]);
  assertEquals(executor.executions.flatMap(({ terminations }) => terminations), []);
  assertEquals([executor.executions.length, executor.closed], [2, 1]);
});

test("drain() before the first call of next() ends the run without results", async () => {
  const executor = instantExecutor();
  const results = run(tasks(3), { executor });
  results.drain();
  assertEquals(await collect(results), []);
  assertEquals([executor.executions.length, executor.closed], [0, 1]);
});

test("drain() prevents retries", async () => {
  const executor = new FakeExecutor();
  const results = run(tasks(1), { executor, retry: 3 });
  const first = results.next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  results.drain();
  executor.executions[0]!.end({ status: 1 });
  assertEquals([(await first).value!.outcome, executor.executions.length], ["canceled", 1]);
});

test("halt counts failures, successes or both, as a number or a percentage, and stops starting tasks", async () => {
  const statuses = [0, 1, 0, 1, 1, 0, 0, 0, 0, 1];
  const cases: [Halt, number][] = [
    [{ when: "soon" }, 2],
    [{ when: "soon", count: 3 }, 5],
    [{ when: "soon", percent: 30 }, 5],
    [{ when: "soon", percent: 25 }, 5],
    [{ when: "soon", percent: 0.1 }, 2],
    [{ when: "soon", on: "success" }, 1],
    [{ when: "soon", on: "success", percent: 20 }, 3],
    [{ when: "soon", on: "done", count: 4 }, 4],
    [{ when: "soon", on: "done", percent: 100 }, 10],
    [{}, 2],
    [{ when: "now", on: "fail", count: 2 }, 4],
    [{ count: 11 }, 10],
  ];
  for (const [halt, expected] of cases) {
    const executor = executorOf(statuses);
    const results = run(tasks(10), { executor, concurrency: 1, halt });
    const all = await collect(results);
    assertEquals([halt, all.length, executor.executions.length], [halt, expected, expected]);
    assertEquals(results.haltedBy, halt.count === 11 ? undefined : all.at(-1));
  }
});

test("countOf() is exact for percentages without a binary representation", () => {
  const cases: [percentage: string, total: number, count: number][] = [
    ["1.1", 3_000, 33],
    ["1.1", 1_000, 11],
    ["0.07", 10_000, 7],
    ["55", 20, 11],
    ["33.3", 1_000, 333],
    ["33.3", 999, 333],
    ["33.34", 1_000, 334],
    ["0.0000000000000000000000001", 1, 1],
    ["0.0000000000000000000000001", 10 ** 15, 1],
    ["99.9999999999999999999", 10 ** 15, 10 ** 15],
    ["100", 9_007_199_254_740_991, 9_007_199_254_740_991],
    ["50", 9_007_199_254_740_991, 4_503_599_627_370_496],
    ["100.0", 1, 1],
    ["1", 1, 1],
    ["1", 0, 0],
  ];
  const numberOf = (percent: string | number, total: number) => countOf(haltPolicy({ percent }, "Cannot halt"), total);
  for (const [percentage, total, count] of cases) {
    assertEquals([percentage, total, numberOf(percentage, total)], [percentage, total, count]);
    const number = Number(percentage);
    if (String(number) === percentage) assertEquals([number, total, numberOf(number, total)], [number, total, count]);
    const { percent } = parseHalt("--halt", `soon,fail=${percentage}%`);
    assertEquals([percentage, total, numberOf(percent!, total)], [percentage, total, count]);
  }
  // The shortest digits of a number can have an exponent.
  assertEquals([numberOf(1e-7, 10 ** 9), numberOf(1.5e-7, 10 ** 10), numberOf(Number.MIN_VALUE, 1)], [1, 15, 1]);
  const [first, ...more] = Array.from({ length: 40 }, () => ({ outcome: "failed" }) as TaskResult);
  const counter = new HaltCounter(haltPolicy({ percent: 1.1 }, "Cannot halt"), 3_000);
  assertEquals([first!, ...more].findIndex((result) => counter.meets(result)), 32);
});

test("exitStatusOfHalt() is never 0 after failures", () => {
  const halts = ["fail=1", "fail=2", "fail=10%", "done=1", "done=2", "done=10%", "success=1", "success=10%"];
  for (const outcome of OUTCOMES.filter((outcome) => outcome !== "canceled")) {
    for (const status of outcome === "ok" ? [0] : [null, 0, 1, 3, 124, 127, 137]) {
      const haltedBy = { outcome, status } as TaskResult;
      const failed = outcome === "ok" ? 0 : 1;
      for (const halt of halts) {
        const policy = parseHalt("--halt", `now,${halt}`);
        const met = exitStatusOfHalt(policy, haltedBy, failed, 20);
        const expected = outcome === "ok" || policy.on === "success"
          ? 0
          : halt.endsWith("%")
          ? 5
          : halt.endsWith("2")
          ? 1
          : status || 1;
        assertEquals([outcome, status, halt, met], [outcome, status, halt, expected]);
        const notMet = exitStatusOfHalt(policy, undefined, failed, 20);
        assertEquals([outcome, halt, notMet], [outcome, halt, halt.endsWith("%") ? 5 * failed : failed]);
      }
    }
  }
});

test("exitStatusOfHalt() at a percentage is the percentage of failed tasks, rounded up", () => {
  const policy = parseHalt("--halt", "now,done=100%");
  const cases: [failed: number, total: number, status: number][] = [
    [11, 20, 55],
    [29, 100, 29],
    [57, 100, 57],
    [7, 25, 28],
    [1, 3, 34],
    [2, 3, 67],
    [1, 1_000_000, 1],
    [999_999, 1_000_000, 100],
    [1_000_000, 1_000_000, 100],
    [5, 4, 100], // a file that has grown
    [0, 0, 0],
    [0, 7, 0],
  ];
  for (const [failed, total, status] of cases) {
    assertEquals([failed, total, exitStatusOfHalt(policy, undefined, failed, total)], [failed, total, status]);
  }
  for (let failed = 0; failed <= 100; failed++) assertEquals(exitStatusOfHalt(policy, undefined, failed, 100), failed);
});

test("halt with `now` terminates running tasks, with `soon` lets them finish", async () => {
  for (const [when, expected] of [["now", "canceled"], ["soon", "ok"]] as const) {
    const executor = new FakeExecutor();
    const results = run(tasks(5), { executor, concurrency: 2, halt: { when } });
    const all = collect(results);
    await waitFor("two attempts", () => executor.executions.length === 2);
    executor.executions[0]!.end({ status: 7 });
    await waitFor("the halt", () => results.haltedBy !== undefined);
    executor.executions[1]!.end({ status: 0 });
    assertEquals(outcomes(await all), ["failed", expected]);
    assertEquals([results.haltedBy!.id, results.haltedBy!.status], ["1", 7]);
    assertEquals(executor.executions.length, 2);
  }
});

test("halt counts a retried task once, with its last attempt", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.end({ status: execution.attempt.number === 3 ? 0 : 1 });
  const results = run(tasks(3), { executor, concurrency: 1, retry: 2, halt: {} });
  assertEquals(outcomes(await collect(results)), ["ok", "ok", "ok"]);
  assertEquals(results.haltedBy, undefined);
});

test("halt at a percentage needs an array of tasks or total", async () => {
  function* some() {
    yield* tasks(10);
  }
  assertThrows(() => run(some(), { halt: { percent: 10 } }), RangeError, "halt.percent needs the number of tasks");
  const halt: Halt = { when: "soon", percent: 10 };
  const results = run(some(), { executor: executorOf([1, 1, 1]), concurrency: 1, halt, total: 30 });
  assertEquals((await collect(results)).length, 3);
});

test("run() rejects timeouts, retries and halts out of range", () => {
  const refused: [RunOptions, string][] = [
    [{ timeoutMs: 0 }, "timeoutMs must be a number of milliseconds greater than 0 and at most 2147483647, got 0"],
    [{ timeoutMs: 2 ** 31 }, "timeoutMs must be a number of milliseconds greater than 0 and at most 2147483647"],
    [{ timeoutMs: "1" as never }, "timeoutMs must be a number of milliseconds greater than 0"],
    [{ retry: -1 }, "retry must be an integer of at least 0, got -1"],
    [{ retry: { limit: 0.5 } }, "retry.limit must be an integer of at least 0, got 0.5"],
    [{ retry: { limit: "3" as never } }, 'retry.limit must be an integer of at least 0, got "3"'],
    [{ retry: { delayMs: -1 } }, "retry.delayMs must be a number of milliseconds from 0 to 2147483647, got -1"],
    [{ retry: { maxDelayMs: NaN } }, "retry.maxDelayMs must be a number of milliseconds from 0 to 2147483647, got NaN"],
    [{ retry: { delayMs: "1" as never } }, "retry.delayMs must be a number of milliseconds"],
    [{ retry: { maxDelayMs: Infinity } }, "retry.maxDelayMs must be a number of milliseconds"],
    [
      { retry: { on: ["ok" as never] } },
      'retry.on must be an array of failed, killed, timeout, not-started, output-limit, got ["ok"]',
    ],
    [{ retry: { on: "failed" as never } }, "retry.on must be an array of failed, killed, timeout"],
    ...[null, "3", [3], true].map((retry): [RunOptions, string] => [
      { retry: retry as never },
      "retry must be the number of extra attempts or an object such as { limit: 3, delayMs: 100 }, got ",
    ]),
    [{ total: 1.5 }, "total must be an integer of at least 0, got 1.5"],
    ...[null, "now,fail=1", [], 1].map((halt): [RunOptions, string] => [
      { halt: halt as never },
      'halt must be an object such as { when: "now", on: "fail", count: 1 }, got ',
    ]),
    [{ halt: { when: "later" as never } }, 'halt.when must be "now" or "soon", got "later"'],
    [{ halt: { on: "failed" as never } }, 'halt.on must be "fail", "success" or "done", got "failed"'],
    ...[0, -1, 1.5, "1", NaN, Infinity].map((count): [RunOptions, string] => [
      { halt: { count: count as number } },
      "halt.count must be an integer of at least 1, got ",
    ]),
    ...[0, -1, 100.1, NaN, Infinity, "", "10%", "0.0", "100.00000000000000000000001", "1e-9999", true].map((
      percent,
    ): [RunOptions, string] => [
      { halt: { percent: percent as number } },
      "halt.percent must be a percentage greater than 0 and at most 100, got ",
    ]),
    [{ halt: { count: 1, percent: 1 } as never }, "halt must be given either count or percent, got "],
  ];
  for (const [options, message] of refused) {
    assertThrows(() => run([], options), RangeError, `Cannot start the pool: ${message}`);
  }
});

test("run() rejects an unknown key in retry or halt, and suggests the nearest key", () => {
  const wrong: [options: object, message: string][] = [
    [{ retry: { limt: 3 } }, 'in retry: unknown option "limt", did you mean "limit"?'],
    [{ retry: { retries: 3 } }, 'in retry: unknown option "retries", use "limit"'],
    [
      { retry: { maxRetryDelayMs: 3 } },
      'in retry: unknown option "maxRetryDelayMs", use "maxDelayMs", in milliseconds',
    ],
    [{ halt: { cuont: 3 } }, 'in halt: unknown option "cuont", did you mean "count"?'],
    [{ halt: { percentage: 3 } }, 'in halt: unknown option "percentage", use "percent"'],
  ];
  for (const [options, message] of wrong) {
    assertThrows(() => run([], options as RunOptions), TypeError, `Cannot start the pool: ${message}`);
  }
});

test("retry.on selects the outcomes after which tasks are retried", async () => {
  const ends: [FakeResult, RetryOutcome][] = [
    [{ status: 1 }, "failed"],
    [{ ending: { kind: "signaled", signal: "SIGKILL", status: 137 } }, "killed"],
    [{ ending: TERMINATED, stoppedBy: "timeout" }, "timeout"],
    [{ ending: { kind: "spawn-failed", status: 127, reason: "Why" } }, "not-started"],
    [{ ending: TERMINATED, stoppedBy: "output-limit" }, "output-limit"],
  ];
  for (const [end, outcome] of ends) {
    for (const on of [undefined, [outcome], RETRY_OUTCOMES.filter((other) => other !== outcome), []]) {
      const executor = new FakeExecutor();
      executor.onStart = (execution) => execution.end(end);
      const [result] = await collect(run([{ cmd: "x" }], { executor, retry: { limit: 2, on } }));
      const isRetried = (on ?? ["failed", "killed", "timeout"]).includes(outcome);
      assertEquals([result!.outcome, on, result!.attempts], [outcome, on, isRetried ? 3 : 1]);
    }
  }
  const executor = executorOf([1]);
  const [own] = await collect(run([{ cmd: "x", retries: 2 }], { executor, retry: { on: ["timeout"] } }));
  assertEquals(own!.attempts, 1);
});

test("onProgress() is called for each start and each result", async () => {
  const seen: Progress[] = [];
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.end({ status: execution.attempt.id === "2" ? 1 : 0 });
  const onProgress = (progress: Progress) => seen.push(progress);
  await collect(run(tasks(3), { executor, concurrency: 1, retry: 1, onProgress }));
  assertEquals(seen.at(-1), { total: 3, finished: 3, failed: 1, running: 0, retrying: 0 });
  assertEquals(seen.map(({ finished }) => finished), [0, 1, 1, 1, 2, 2, 3]);
  assertEquals(Math.max(...seen.map(({ running }) => running)), 1);
  function* some() {
    yield* tasks(1);
  }
  await collect(run(some(), { executor, onProgress }));
  assertEquals(seen.at(-1)!.total, undefined);
});

test("Progress counts canceled tasks as finished, not as failed", async () => {
  const seen: Progress[] = [];
  const executor = new FakeExecutor();
  const onProgress = (progress: Progress) => seen.push(progress);
  const all = collect(run(tasks(3), { executor, concurrency: 3, halt: {}, onProgress }));
  await waitFor("three attempts", () => executor.executions.length === 3);
  executor.executions[0]!.end({ status: 1 });
  assertEquals(outcomes(await all), ["failed", "canceled", "canceled"]);
  assertEquals(seen.at(-1), { total: 3, finished: 3, failed: 1, running: 0, retrying: 0 });
});

test("Progress.retrying counts a task that waits for a retry until its result", async () => {
  const seen: Progress[] = [];
  const executor = executorOf([1, 1, 1]);
  const options = { executor, concurrency: 1, retry: { limit: 1, delayMs: 86_400_000 } };
  const results = run(tasks(3), { ...options, onProgress: (progress) => seen.push(progress) });
  const all = collect(results);
  await waitFor("three attempts", () => executor.executions.length === 3);
  await new Promise((resolve) => setTimeout(resolve));
  results.drain();
  await all;
  assertEquals(seen.slice(-3).map(({ finished, retrying }) => [finished, retrying]), [[1, 2], [2, 1], [3, 0]]);
});

test("an error of onProgress() stops the run", async () => {
  const executor = new FakeExecutor();
  const onProgress = ({ running }: Progress) => {
    if (running === 2) throw new RangeError("no more");
  };
  const results = run(tasks(5), { executor, concurrency: 2, onProgress });
  const seen: TaskResult[] = [];
  await assertRejects(
    async () => {
      for await (const result of results) seen.push(result);
    },
    RangeError,
    "no more",
  );
  assertEquals(outcomes(seen), ["canceled", "canceled"]);
});

test("each started task has one result, with any halts, drains and retries", async () => {
  const plan = fc.array(fc.record({ status: fc.nat({ max: 1 }), turns: fc.nat({ max: 3 }) }), { maxLength: 30 });
  const halts = fc.constantFrom<Halt | undefined>(
    undefined,
    {},
    { when: "soon", count: 2 },
    { on: "done", percent: 50 },
    { when: "soon", on: "success", count: 3 },
  );
  await fc.assert(
    fc.asyncProperty(
      plan,
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
      halts,
      fc.constantFrom(0, 0.01),
      fc.option(fc.nat({ max: 20 })),
      async (plans, concurrency, keepOrder, halt, delayMs, drainAt) => {
        const executor = new FakeExecutor();
        executor.onStart = async (execution) => {
          if (executor.executions.length === drainAt) results.drain();
          const { status, turns } = plans[execution.attempt.sequence - 1]!;
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
          execution.end({ status });
        };
        const results = run(plans.map(() => ({ cmd: "x" })), {
          executor,
          concurrency,
          keepOrder,
          halt,
          retry: { limit: 1, delayMs },
        });
        const ids = (await collect(results)).map(({ id }) => Number(id));
        const started = [...new Set(executor.executions.map(({ attempt }) => attempt.sequence))];
        const inOrder = (numbers: number[]) => numbers.toSorted((a, b) => a - b);
        assertEquals(inOrder(ids), inOrder(started));
        if (keepOrder) assertEquals(ids, inOrder(ids));
        if (drainAt === null && !results.haltedBy) assertEquals(ids.length, plans.length);
        assertEquals(executor.closed, 1);
      },
    ),
    { numRuns: 300 },
  );
});
