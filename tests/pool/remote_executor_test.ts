import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { createPool, ExecutorError, run, type Task, type TaskResult } from "../../mod.ts";
import { FakeExecutor } from "../support/fake_executor.ts";
import { collect, waitFor } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** A fake executor for attempts on other machines. */
class RemoteExecutor extends FakeExecutor {
  readonly concurrency = 3;
  readonly enforcesTimeout = true;
  drains = 0;
  readonly opening = Promise.withResolvers<void>();

  fail: (error: Error) => void = () => {};

  open(onFailure: (error: Error) => void): Promise<void> {
    this.fail = onFailure;
    return this.opening.promise;
  }

  drain(): void {
    this.drains++;
    for (const execution of this.executions) execution.end({ ending: { kind: "withdrawn" } }); // has no effect on ended ones
  }
}

const tasks = (count: number) => Array.from({ length: count }, () => ({ cmd: "x", timeoutMs: 1, retries: 1 }));

test("no attempt starts before the executor is open, and then up to its concurrency", async () => {
  const executor = new RemoteExecutor();
  executor.onStart = (execution) => execution.attempt.sequence > 3 && execution.end();
  const all = collect(run(tasks(5), { executor }));
  await new Promise((resolve) => setImmediate(resolve));
  assertEquals(executor.executions, []);
  executor.opening.resolve();
  await waitFor("three attempts", () => executor.executions.length === 3);
  assertEquals(executor.executions.map(({ attempt }) => attempt.timeoutMs), [1, 1, 1]);
  for (const execution of [...executor.executions]) execution.end();
  assertEquals((await all).length, 5);
  assertEquals(executor.closed, 1);
});

test("an executor that fails to open ends the run before any attempt", async () => {
  const executor = new RemoteExecutor();
  const all = collect(run(tasks(2), { executor }));
  executor.opening.reject(new Error("no server"));
  await assertRejects(() => all, Error, "no server");
  assertEquals([executor.executions.length, executor.closed], [0, 1]);
});

test("a run that is stopped while the executor opens ends afterwards", async () => {
  const executor = new RemoteExecutor();
  const stop = new AbortController();
  const all = collect(run(tasks(2), { executor, signal: stop.signal }));
  stop.abort(new Error("enough"));
  executor.opening.resolve();
  await assertRejects(() => all, Error, "enough");
  assertEquals([executor.executions.length, executor.closed], [0, 1]);
});

test("a pool starts no attempt before its executor is open", async () => {
  const executor = new RemoteExecutor();
  const pool = createPool({ executor });
  const promise = pool.run("x");
  await new Promise((resolve) => setImmediate(resolve));
  assertEquals([pool.size, executor.executions], [1, []]);
  executor.onStart = (execution) => execution.end();
  executor.opening.resolve();
  assertEquals((await promise).outcome, "ok");
  await pool.close();
});

test("a pool whose executor fails to open rejects its tasks, and further ones", async () => {
  const executor = new RemoteExecutor();
  const pool = createPool({ executor });
  const promise = pool.run("x");
  executor.opening.reject(new Error("no server"));
  await assertRejects(() => promise, ExecutorError, "no server");
  await assertRejects(() => pool.run("x"), Error, "cannot be opened again");
  await pool.close();
  assertEquals([executor.executions.length, executor.closed], [0, 1]);
});

test("a failure of the executor ends a run that waits for a retry", async () => {
  const executor = new RemoteExecutor();
  executor.opening.resolve();
  executor.onStart = (execution) => execution.end({ status: 1 });
  const { readable, writable } = new TransformStream<Task>();
  const writer = writable.getWriter();
  const all = collect(run(readable, { executor, retry: { delayMs: 3_600_000 } }));
  all.catch(() => {});
  await writer.write({ cmd: "x", retries: 1 });
  await waitFor("the attempt", () => executor.executions.length === 1);
  executor.fail(new Error("no server"));
  await assertRejects(() => all, Error, "no server");
  assertEquals(executor.closed, 1);
});

test("a failure of the executor ends a run that waits for its source", async () => {
  const executor = new RemoteExecutor();
  executor.opening.resolve();
  let isRead = false;
  async function* stalled(): AsyncGenerator<Task> {
    isRead = true;
    yield await new Promise<Task>(() => {});
  }
  const next = run(stalled(), { executor }).next();
  await waitFor("the source to be read", () => isRead);
  executor.fail(new Error("no server"));
  const error = await assertRejects(() => next, ExecutorError, "no server");
  assertEquals((error.cause as Error).message, "no server");
});

test("an attempt that fails in the executor is not retried", async () => {
  const executor = new RemoteExecutor();
  executor.opening.resolve();
  executor.onStart = (execution) => execution.fail(new Error("no room"));
  const results = run(tasks(1), { executor });
  const { value } = await results.next();
  assertEquals([value?.outcome, value?.attempts], ["canceled", 1]);
  await assertRejects(() => results.next(), ExecutorError, "The executor failed: no room");
});

test("a withdrawn attempt has no result; its task keeps the result of an earlier attempt", async () => {
  const executor = new RemoteExecutor();
  executor.opening.resolve();
  const results = run(tasks(3), { executor });
  const all = collect(results);
  await waitFor("three attempts", () => executor.executions.length === 3);
  executor.executions[0]!.end({ status: 3 });
  await waitFor("the second attempt of the first task", () => executor.executions.length === 4);
  results.drain();
  assertEquals((await all).map(({ id, outcome, status, attempts }) => ({ id, outcome, status, attempts })), [
    { id: "1", outcome: "canceled", status: 3, attempts: 1 },
  ]);
  assertEquals([executor.drains > 0, executor.discarded], [true, []]);
});

test("a task whose attempt is withdrawn does not start again", async () => {
  const executor = new RemoteExecutor();
  executor.opening.resolve();
  executor.onStart = ({ attempt: { sequence } }) =>
    executor.executions.at(-1)!.end(sequence === 1 ? { ending: { kind: "withdrawn" } } : {});
  const results = await collect(run(tasks(2), { executor }));
  assertEquals([results.map(({ id }) => id), executor.executions.length], [["2"], 2]);
});

test("a withdrawn attempt does not hold up later results", async () => {
  const executor = new RemoteExecutor();
  executor.opening.resolve();
  const results = run(tasks(3), { executor, keepOrder: true });
  const all = collect(results);
  await waitFor("three attempts", () => executor.executions.length === 3);
  executor.executions[1]!.end();
  executor.executions[2]!.end();
  results.drain();
  assertEquals((await all).map(({ id, outcome }) => `${id} ${outcome}`), ["2 ok", "3 ok"]);
});

test("a result has the worker of its attempt, and the reason for an unknown end", async () => {
  const executor = new RemoteExecutor();
  executor.opening.resolve();
  const place = { slot: 7, startedAt: "2026-01-01T00:00:00.000Z", worker: { host: "a", pid: 5 } };
  executor.onStart = (execution) => {
    if (execution.attempt.sequence === 1) execution.end({ place, stoppedBy: "timeout" });
    else execution.end({ ending: { kind: "lost", reason: "gone" } });
  };
  const input = [{ cmd: "x" }, { cmd: "y" }];
  const [first, second] = await collect(run(input, { executor, keepOrder: true })) as [TaskResult, TaskResult];
  assertEquals([first.slot, first.startedAt, first.worker], [7, place.startedAt, place.worker]);
  assertEquals([first.outcome, first.status], ["timeout", 124]);
  assertEquals([second.outcome, second.status, second.error, second.worker], ["killed", null, "gone", undefined]);
});
