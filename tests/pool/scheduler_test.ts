/** Tests of states that only a scheduler of its own, or a callback in the middle of a step, can reach. */

import { assertEquals } from "@std/assert/equals";
import { run, type Task } from "../../mod.ts";
import { poolSettings } from "../../pool/options.ts";
import { maxBacklog, Scheduler, type SchedulerOutput } from "../../pool/scheduler.ts";
import { createJob, TaskQueue } from "../../pool/task_feed.ts";
import { FakeExecutor, instantExecutor } from "../support/fake_executor.ts";
import { collect, waitFor } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test("maxBacklog() is 1,000, and above a concurrency of 250 four times the concurrency", () => {
  assertEquals([1, 250, 251, 1_000].map(maxBacklog), [1_000, 1_000, 1_004, 4_000]);
});

test("an unexpected error in background work ends the run, and closes the executor", async () => {
  for (const method of ["add", "skip"] as const) {
    const executor = new FakeExecutor();
    executor.onStart = (execution) =>
      execution.end(method === "add" ? { status: 0 } : { ending: { kind: "withdrawn" } });
    const queue = new TaskQueue();
    const error = new Error(`broken ${method}()`);
    const output: SchedulerOutput = { hasRoom: () => true, add() {}, skip() {}, deliver() {} };
    output[method] = () => {
      output[method] = () => {};
      throw error;
    };
    const scheduler = new Scheduler(queue, poolSettings({ concurrency: 1 }, undefined, {}), executor, output);
    for (const sequence of [1, 2]) queue.add(createJob({ cmd: "x" }, sequence));
    scheduler.open();
    await scheduler.closed;
    assertEquals([scheduler.failure, executor.executions.length, executor.closed], [{ error }, 1, 1]);
  }
});

test("no task is read before the executor is open, even if the concurrency changes", async () => {
  const opening = Promise.withResolvers<void>();
  const executor = Object.assign(instantExecutor(), { open: () => opening.promise });
  let reads = 0;
  function* source(): Generator<Task> {
    reads++;
    yield { cmd: "x" };
  }
  const results = run(source(), { executor, concurrency: 1 });
  results.concurrency = 2;
  await settle();
  assertEquals(reads, 0);
  const all = collect(results);
  results.concurrency = 3;
  await settle();
  assertEquals(reads, 0);
  opening.resolve();
  assertEquals((await all).length, 1);
});

test("drain() starts no retry, even if onProgress() changes the concurrency during the drain", async () => {
  const executor = new FakeExecutor();
  let [isDraining, begun] = [false, 0];
  const results = run([1, 2, 3, 4].map((id) => ({ id, cmd: "x" })), {
    executor,
    concurrency: 4,
    retry: { limit: 1, delayMs: 0 },
    onAttemptStart: () => void begun++,
    onProgress: () => {
      if (isDraining) results.concurrency = 4;
    },
  });
  executor.onStart = (execution) => {
    // No slot is free for the retries.
    if (execution.attempt.sequence === 4) results.concurrency = 1;
  };
  const all = collect(results);
  await waitFor("four attempts", () => executor.executions.length === 4);
  for (const execution of executor.executions.slice(0, 3)) execution.end({ status: 1 });
  await settle();
  isDraining = true;
  results.drain();
  isDraining = false;
  await settle();
  assertEquals([begun, executor.executions.length], [4, 4]);
  executor.executions[3]!.end();
  assertEquals((await all).map(({ id, outcome, attempts }) => `${id} ${outcome} ${attempts}`).sort(), [
    "1 canceled 1",
    "2 canceled 1",
    "3 canceled 1",
    "4 ok 1",
  ]);
});
