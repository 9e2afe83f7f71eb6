import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { availableParallelism } from "node:os";
import { ExecutorError, InvalidTaskError, run, type RunOptions, type Task, type TaskResult } from "../../mod.ts";
import { FakeExecutor, type FakeResult, instantExecutor, TERMINATED } from "../support/fake_executor.ts";
import { collect, waitFor } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const task = (id: number): Task => ({ id, cmd: "x" });
const tasks = (count: number): Task[] => Array.from({ length: count }, (_, index) => task(index + 1));

/** Waits for one turn of the event loop. */
const settle = () => new Promise((resolve) => setTimeout(resolve));

/** Returns a source that counts the tasks read from it, and records whether it was closed. */
function countingSource(count: number) {
  const source = {
    read: 0,
    returned: false,
    *[Symbol.iterator]() {
      try {
        while (source.read < count) yield task(++source.read);
      } finally {
        source.returned = true;
      }
    },
  };
  return source;
}

test("run() yields one result for each task of an array, a generator, an async generator or a stream", async () => {
  const sources = [
    () => tasks(5),
    () => countingSource(5),
    async function* () {
      for (const task of tasks(5)) {
        await Promise.resolve();
        yield task;
      }
    },
    () => ReadableStream.from(tasks(5)),
  ];
  for (const source of sources) {
    const executor = instantExecutor();
    const results = await collect(run(source(), { executor, concurrency: 2 }));
    assertEquals(results.map(({ id }) => id).sort(), ["1", "2", "3", "4", "5"]);
    assertEquals(executor.closed, 1);
  }
});

test("run() without tasks yields no results", async () => {
  const executor = instantExecutor();
  assertEquals(await collect(run([], { executor })), []);
  assertEquals(executor.closed, 1);
});

test("a result has the data of its task and its attempt", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) =>
    execution.end({
      status: 3,
      durationMs: 1.23456,
      userMs: 2.0001,
      systemMs: 0,
      stdout: { text: "AA==", encoding: "base64", bytes: 9, file: "/out" },
      stderr: { text: "e", encoding: "base64", bytes: 8, file: "/err" },
    });
  const before = new Date().toISOString();
  const [result] = await collect(run([{ cmd: "x", meta: null }], { executor })) as [TaskResult];
  const { startedAt, ...rest } = result;
  assertEquals(rest, {
    id: "1",
    status: 3,
    outcome: "failed",
    attempts: 1,
    slot: 1,
    durationMs: 1.235,
    userMs: 2,
    systemMs: 0,
    stdout: "AA==",
    stdoutEncoding: "base64",
    stdoutBytes: 9,
    stdoutFile: "/out",
    stderr: "e",
    stderrEncoding: "base64",
    stderrBytes: 8,
    stderrFile: "/err",
    cmdHash: "8cdc1683",
    meta: null,
  });
  assert(before <= startedAt && startedAt <= new Date().toISOString(), startedAt);
});

test("a result has the command of its task when the run records commands", async () => {
  const tasks: Task[] = [{ cmd: "echo hi" }, { cmd: ["echo", "hi"] }];
  const cmdsOf = async (options: RunOptions) =>
    (await collect(run(tasks, { executor: instantExecutor(), ...options }))).map(({ cmd }) => cmd);
  assertEquals(await cmdsOf({ recordCommand: true }), ["echo hi", ["echo", "hi"]]);
  for (const recordCommand of [false, undefined]) assertEquals(await cmdsOf({ recordCommand }), [undefined, undefined]);
});

test("a result has no empty optional fields", async () => {
  const [result] = await collect(run([{ cmd: "x" }], { executor: instantExecutor() })) as [TaskResult];
  assertEquals(Object.keys(result), [
    "id",
    "status",
    "outcome",
    "attempts",
    "slot",
    "startedAt",
    "durationMs",
    "stdout",
    "stderr",
    "cmdHash",
  ]);
});

test("the id of a result is a string, by default the number of the task", async () => {
  const results = run([{ cmd: "a" }, { cmd: "b", id: 7.5 }, { cmd: "c" }], {
    executor: instantExecutor(),
    concurrency: 1,
  });
  assertEquals((await collect(results)).map(({ id }) => id), ["1", "7.5", "3"]);
});

test("the outcome is the first matching cause", async () => {
  const ends: [FakeResult, Partial<TaskResult>][] = [
    [{ status: 0 }, { status: 0, outcome: "ok" }],
    [{ status: 1 }, { status: 1, outcome: "failed" }],
    [{ status: 0, outputError: "Lost" }, { status: 0, outcome: "failed", error: "Lost" }],
    [{ ending: { kind: "signaled", signal: "SIGKILL", status: 137 } }, {
      status: 137,
      outcome: "killed",
      signal: "SIGKILL",
    }],
    [{ ending: { kind: "lost", reason: "Gone" } }, { status: null, outcome: "killed", error: "Gone" }],
    [{ ending: { kind: "lost", reason: "Gone" }, outputError: "Lost" }, {
      status: null,
      outcome: "killed",
      error: "Gone. Lost",
    }],
    [{ ending: { kind: "spawn-failed", status: 127, reason: "Why" } }, {
      status: 127,
      outcome: "not-started",
      error: "Why",
    }],
    [{ ending: { kind: "lost", reason: "Gone" }, stoppedBy: "timeout" }, {
      status: 124,
      outcome: "timeout",
      error: "The task took longer than its timeout allows. Gone",
    }],
  ];
  for (const [end, expected] of ends) {
    const executor = new FakeExecutor();
    executor.onStart = (execution) => execution.end(end);
    const [{ status, outcome, error, signal }] = await collect(run(tasks(1), { executor })) as [TaskResult];
    assertEquals({ status, outcome, error, signal }, { error: undefined, signal: undefined, ...expected });
  }
});

test("at most `concurrency` attempts run at once, each in the lowest free slot", async () => {
  const executor = new FakeExecutor();
  const results = run(tasks(6), { executor, concurrency: 3 });
  const first = results.next();
  await waitFor("three attempts", () => executor.executions.length === 3);
  await settle();
  assertEquals(executor.executions.map(({ attempt }) => [attempt.sequence, attempt.slot]), [[1, 1], [2, 2], [3, 3]]);
  executor.executions[1]!.end();
  assertEquals((await first).value!.id, "2");
  await waitFor("a fourth attempt", () => executor.executions.length === 4);
  await settle();
  assertEquals([executor.executions.length, executor.executions[3]!.attempt.slot], [4, 2]);
  executor.onStart = (execution) => execution.end();
  for (const execution of executor.executions) execution.end();
  assertEquals((await collect(results)).length, 5);
});

test("the default concurrency is the number of available CPUs", async () => {
  const executor = new FakeExecutor();
  const results = run(tasks(500), { executor });
  const first = results.next();
  await waitFor("attempts", () => executor.executions.length === availableParallelism());
  await settle();
  assertEquals(executor.executions.length, availableParallelism());
  await results.return();
  await first;
});

test("run() reads no task before the first call of next()", async () => {
  const source = countingSource(3);
  const results = run(source, { executor: instantExecutor() });
  await settle();
  assertEquals(source.read, 0);
  await results.return();
});

test("a task is read only while a slot is free and results are taken", async () => {
  for (const keepOrder of [false, true]) {
    const source = countingSource(1_000_000);
    const executor = instantExecutor();
    const results = run(source, { executor, concurrency: 4, keepOrder });
    for (let taken = 1; taken <= 10; taken++) {
      await results.next();
      await settle();
      // Taken results, buffered results, and tasks that were running when the buffer filled up.
      assert(source.read <= taken + 2 * 4, `${source.read} read, ${taken} taken`);
    }
    await results.return();
    assert(source.returned);
  }
});

test("no task starts while `concurrency` results are buffered", async () => {
  const executor = instantExecutor();
  const results = run(countingSource(1_000), { executor, concurrency: 1 });
  for (let taken = 1; taken <= 3; taken++) {
    await results.next();
    await settle();
    assertEquals(executor.executions.length, taken + 1);
  }
  await results.return();
});

test("next() can be called before results are available", async () => {
  const results = run(tasks(3), { executor: instantExecutor() });
  const all = await Promise.all([results.next(), results.next(), results.next(), results.next()]);
  assertEquals(all.map(({ done }) => done), [false, false, false, true]);
});

test("with keepOrder, results arrive in the order of the tasks", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      async (delays, concurrency) => {
        const executor = new FakeExecutor();
        executor.onStart = async (execution) => {
          for (let turn = 0; turn < delays[execution.attempt.sequence - 1]!; turn++) await settle();
          execution.end({ status: execution.attempt.sequence % 3 });
        };
        const results = await collect(run(tasks(delays.length), { executor, concurrency, keepOrder: true }));
        assertEquals(results.map(({ id }) => Number(id)), delays.map((_, index) => index + 1));
      },
    ),
    { numRuns: 50 },
  );
});

test("with keepOrder, no task starts while a slow task holds up 1,000 others", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => {
    if (execution.attempt.sequence > 1) execution.end();
  };
  const results = run(countingSource(1_000_000), { executor, concurrency: 2, keepOrder: true });
  const first = results.next();
  await waitFor("a full window", () => executor.executions.length === 1_000);
  await settle();
  assertEquals(executor.executions.length, 1_000);
  executor.executions[0]!.end();
  assertEquals((await first).value!.id, "1");
  assertEquals((await results.next()).value!.id, "2");
  await results.return();
});

test("Run.concurrency can be raised and lowered while tasks run", async () => {
  const executor = new FakeExecutor();
  const results = run(countingSource(1_000), { executor, concurrency: 1 });
  const all = collect(results);
  await waitFor("one attempt", () => executor.executions.length === 1);
  assertEquals(results.concurrency, 1);
  results.concurrency = 3;
  await waitFor("three attempts", () => executor.executions.length === 3);
  results.concurrency = 1;
  executor.executions[0]!.end();
  executor.executions[1]!.end();
  await settle();
  assertEquals(executor.executions.length, 3);
  executor.executions[2]!.end();
  await waitFor("a fourth attempt", () => executor.executions.length === 4);
  await settle();
  assertEquals(executor.executions.length, 4);
  assertThrows(
    () => results.concurrency = 0,
    RangeError,
    "Cannot change the concurrency: concurrency must be an integer of at least 1, got 0",
  );
  await results.return();
  await all;
});

test("a task that is read while concurrency is lowered waits for a slot", async () => {
  const executor = new FakeExecutor();
  const third = Promise.withResolvers<Task>();
  async function* source() {
    yield task(1);
    yield task(2);
    yield await third.promise;
  }
  const results = run(source(), { executor, concurrency: 3 });
  const all = collect(results);
  await waitFor("two attempts", () => executor.executions.length === 2);
  results.concurrency = 1;
  third.resolve(task(3));
  await settle();
  assertEquals(executor.executions.length, 2);
  executor.executions[0]!.end();
  await settle();
  assertEquals(executor.executions.length, 2);
  executor.executions[1]!.end();
  await waitFor("the third attempt", () => executor.executions.length === 3);
  executor.executions[2]!.end();
  assertEquals((await all).map(({ id }) => id), ["1", "2", "3"]);
});

test("run() rejects options out of range", () => {
  const refused: [RunOptions, string][] = [
    [{ concurrency: 0 }, "concurrency must be an integer of at least 1, got 0"],
    [{ concurrency: 1.5 }, "concurrency must be an integer of at least 1, got 1.5"],
    [{ concurrency: "2" as never }, 'concurrency must be an integer of at least 1, got "2"'],
    [{ killAfterMs: -1 }, "killAfterMs must be a number of at least 0, got -1"],
    [{ killAfterMs: "5" as never }, 'killAfterMs must be a number of at least 0, got "5"'],
    [{ shell: "" }, "shell must name a program, got an empty string"],
    [{ killAfterMs: NaN }, "killAfterMs must be a number of at least 0, got NaN"],
    [{ maxInlineBytes: -1 }, "maxInlineBytes must be an integer from 0 to 33554432, got -1"],
    [{ maxOutputBytes: -1 }, "maxOutputBytes must be an integer of at least 0, or Infinity, got -1"],
    [{ maxOutputBytes: NaN }, "maxOutputBytes must be an integer of at least 0, or Infinity, got NaN"],
    [{ maxInlineBytes: 2 ** 25 + 1 }, "maxInlineBytes must be an integer from 0 to 33554432, got 33554433"],
    [{ executor: null as never }, "executor must be shell, process or an executor such as natsExecutor(…), got null"],
    [
      { executor: "magic" as never },
      'executor must be shell, process or an executor such as natsExecutor(…), got "magic"',
    ],
  ];
  run([], { concurrency: 1, killAfterMs: 0, maxInlineBytes: 0 }); // the minimum values
  for (const [options, message] of refused) {
    assertThrows(() => run([], options), RangeError, `Cannot start the pool: ${message}`);
  }
  assertThrows(() => run(5 as never), TypeError, "the source must be an iterable or a stream, got 5");
});

test("an error of the source is thrown once, after running tasks have finished", async () => {
  const executor = new FakeExecutor();
  async function* failing() {
    yield task(1);
    await Promise.resolve();
    throw new RangeError("broken pipe");
  }
  const results = run(failing(), { executor, concurrency: 5 });
  const first = results.next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  await settle();
  executor.executions[0]!.end();
  assertEquals((await first).value!.outcome, "ok");
  await assertRejects(() => results.next(), RangeError, "broken pipe");
  assertEquals(await results.next(), { done: true, value: undefined });
  assertEquals(executor.closed, 1);
});

test("an error of the source after drain() is ignored", async () => {
  const executor = new FakeExecutor();
  const stalled = Promise.withResolvers<Task>();
  async function* source() {
    yield task(1);
    yield await stalled.promise;
  }
  const results = run(source(), { executor, concurrency: 2 });
  const first = results.next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  await settle();
  results.drain();
  stalled.reject(new Error("left in the middle"));
  await settle();
  executor.executions[0]!.end();
  assertEquals((await first).value!.outcome, "ok");
  assertEquals(await results.next(), { done: true, value: undefined });
});

test("an invalid task ends the run with an error that has its number", async () => {
  const source = countingSource(0);
  const bad = function* () {
    try {
      yield task(1);
      yield { cmd: 5 } as never;
      yield task(3);
    } finally {
      source.returned = true;
    }
  };
  const results = run(bad(), { executor: instantExecutor(), concurrency: 1 });
  assertEquals((await results.next()).value!.id, "1");
  await assertRejects(() => results.next(), InvalidTaskError, 'Cannot read task 2: "cmd" must be')
    .then((error) => assertEquals([error.number, error.field], [2, "cmd"]));
  assert(source.returned);
});

test("an array may grow during the run, and may have its own iterator", async () => {
  const growing = tasks(2);
  const ids: string[] = [];
  for await (const { id } of run(growing, { executor: instantExecutor(), concurrency: 1 })) {
    if (ids.push(id) === 1) growing.push({ cmd: "x" });
  }
  assertEquals(ids, ["1", "2", "3"]);

  const reversed: Task[] = [{ cmd: "x", id: "a" }, { cmd: "x", id: "b" }];
  const values = reversed.toReversed();
  reversed[Symbol.iterator] = () => values.values();
  const results = await Array.fromAsync(run(reversed, { executor: instantExecutor(), concurrency: 1 }));
  assertEquals(results.map(({ id }) => id), ["b", "a"]);
});

test("an error of the executor ends the run, and each started task has a result", async () => {
  for (const keepOrder of [false, true]) {
    const startedMs = performance.now();
    const executor = new FakeExecutor();
    const results = run(tasks(9), { executor, concurrency: 2, keepOrder });
    const first = results.next();
    await waitFor("two attempts", () => executor.executions.length === 2);
    executor.executions[0]!.fail(new Error("no more slots"));
    executor.executions[1]!.end();
    const { id, status, outcome, error, stdout, stderr, durationMs } = (await first).value!;
    assertEquals([id, status, outcome, error], ["1", null, "killed", "The executor failed: no more slots"]);
    assertEquals([stdout, stderr, durationMs <= performance.now() - startedMs], ["", "", true]);
    assertEquals((await results.next()).value!.outcome, "ok");
    const failure = await assertRejects(() => results.next(), ExecutorError, "The executor failed: no more slots");
    assertEquals([failure.name, (failure.cause as Error).message], ["ExecutorError", "no more slots"]);
    assertEquals([executor.executions.length, executor.closed], [2, 1]);
  }
});

test("after an error of the executor, running tasks finish", async () => {
  const executor = new FakeExecutor();
  const all = run(tasks(3), { executor, concurrency: 2 });
  const [first, second] = [all.next(), all.next()];
  await waitFor("two attempts", () => executor.executions.length === 2);
  executor.executions[0]!.fail(new Error("broken"));
  assertEquals((await first).value!.outcome, "killed");
  assertEquals(executor.executions[1]!.terminations, []);
  executor.executions[1]!.end();
  assertEquals((await second).value!.outcome, "ok");
  await assertRejects(() => all.next(), ExecutorError, "broken");
});

test("an executor that throws at a start ends the run, and the task has a result", async () => {
  const executor = new FakeExecutor();
  executor.onStart = () => {
    throw new Error("cannot start");
  };
  const results = run(tasks(3), { executor, concurrency: 1 });
  assertEquals((await results.next()).value!.error, "The executor failed: cannot start");
  await assertRejects(() => results.next(), ExecutorError, "The executor failed: cannot start");
});

test("an executor that fails to drain ends the run, and is closed", async () => {
  const executor = Object.assign(new FakeExecutor(), {
    drain() {
      throw new Error("cannot drain");
    },
  });
  const results = run(tasks(3), { executor, concurrency: 1 });
  const first = results.next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  results.drain();
  executor.executions[0]!.end();
  assertEquals((await first).value!.outcome, "ok");
  await assertRejects(() => results.next(), ExecutorError, "cannot drain");
  assertEquals([executor.executions.length, executor.closed], [1, 1]);
});

test("an attempt whose executor fails is `killed`, even during its termination", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.endsAtOnce = false;
  const results = run(tasks(1), { executor });
  const first = results.next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  executor.executions[0]!.exceedOutput();
  executor.executions[0]!.fail(new Error("no room"));
  const { outcome, error } = (await first).value!;
  const expected = "The executor failed: no room";
  assertEquals([outcome, error], ["killed", expected]);
  await assertRejects(() => results.next(), ExecutorError, expected);
});

test("the end of an attempt cancels its timeout", async () => {
  const executor = instantExecutor();
  await collect(run([{ cmd: "x", timeoutMs: 1 }], { executor }));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(executor.executions[0]!.terminations, []);
});

test("an executor that fails to close is an error after the last result", async () => {
  const executor = instantExecutor();
  executor.close = () => Promise.reject(new Error("cannot clean up"));
  const results = run(tasks(1), { executor });
  await results.next();
  await assertRejects(() => results.next(), Error, "cannot clean up");
});

test("an aborted signal terminates running tasks, and its reason is thrown after their results", async () => {
  const executor = new FakeExecutor();
  const stop = new AbortController();
  const source = countingSource(10);
  const results = run(source, { executor, concurrency: 2, signal: stop.signal, killAfterMs: 7 });
  const first = results.next();
  await waitFor("two attempts", () => executor.executions.length === 2);
  stop.abort(new RangeError("enough"));
  const { outcome, status, signal, error } = (await first).value!;
  assertEquals([outcome, status, signal], ["canceled", 143, "SIGTERM"]);
  assertEquals(error, "The run was stopped while the task ran");
  assertEquals((await results.next()).value!.outcome, "canceled");
  await assertRejects(() => results.next(), RangeError, "enough");
  assertEquals(await results.next(), { done: true, value: undefined });
  assertEquals(executor.executions.map(({ terminations }) => terminations), [[7], [7]]);
  assert(source.returned);
  assertEquals(executor.closed, 1);
});

test("run() with an aborted signal starts no task", async () => {
  const executor = new FakeExecutor();
  const source = countingSource(10);
  const results = run(source, { executor, signal: AbortSignal.abort(new RangeError("enough")) });
  await assertRejects(() => results.next(), RangeError, "enough");
  assertEquals([executor.executions.length, source.read], [0, 0]);
});

test("an abort does not wait for a stalled source", async () => {
  const stop = new AbortController();
  async function* stalled() {
    yield task(1);
    await new Promise(() => {});
  }
  const results = run(stalled(), { executor: instantExecutor(), concurrency: 2, signal: stop.signal });
  await results.next();
  const next = results.next();
  stop.abort(new RangeError("enough"));
  await assertRejects(() => next, RangeError, "enough");
});

test("a task that ended before the abort keeps its outcome", async () => {
  const executor = new FakeExecutor();
  const stop = new AbortController();
  const results = run(tasks(1), { executor, signal: stop.signal });
  const first = results.next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  executor.executions[0]!.exit();
  stop.abort(new RangeError("enough"));
  executor.executions[0]!.end({ status: 0 });
  assertEquals((await first).value!.outcome, "ok");
  await assertRejects(() => results.next(), RangeError, "enough");
});

test("a task with retries left that failed before the abort is `canceled`", async () => {
  const executor = new FakeExecutor();
  const stop = new AbortController();
  const results = run([{ cmd: "x", retries: 5 }], { executor, signal: stop.signal });
  const first = results.next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  executor.executions[0]!.exit();
  stop.abort();
  executor.executions[0]!.end({ status: 1 });
  const { outcome, attempts } = (await first).value!;
  assertEquals([outcome, attempts, executor.executions.length], ["canceled", 1, 1]);
});

test("a task that is read after the abort does not start", async () => {
  const executor = instantExecutor();
  const stop = new AbortController();
  const late = Promise.withResolvers<Task>();
  async function* source() {
    yield await late.promise;
  }
  const results = run(source(), { executor, signal: stop.signal });
  const first = results.next();
  stop.abort(new RangeError("enough"));
  late.resolve(task(1));
  await assertRejects(() => first, RangeError, "enough");
  await settle();
  assertEquals(executor.executions.length, 0);
});

test("the first reason to stop an attempt counts", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.endsAtOnce = false;
  const stop = new AbortController();
  const results = run([{ cmd: "x", timeoutMs: 1 }], { executor, signal: stop.signal });
  const first = results.next();
  await waitFor("the timeout", () => executor.executions[0]?.terminations.length === 1);
  stop.abort();
  executor.executions[0]!.end({ ending: TERMINATED });
  assertEquals((await first).value!.outcome, "timeout");
});

test("the first failure of a run is thrown", async () => {
  const executor = new FakeExecutor();
  executor.close = () => Promise.reject(new Error("cannot clean up"));
  const stop = new AbortController();
  async function* failing() {
    yield task(1);
    throw new RangeError("broken pipe");
  }
  const results = run(failing(), { executor, concurrency: 2, signal: stop.signal });
  const first = results.next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  await settle();
  stop.abort(new Error("enough"));
  await first;
  await assertRejects(() => results.next(), RangeError, "broken pipe");
});

test("a run leaves no listener on its signal", async () => {
  const listeners = new Set<unknown>();
  const signal = {
    aborted: false,
    addEventListener: (name: string, listener: unknown) => name === "abort" && listeners.add(listener),
    removeEventListener: (name: string, listener: unknown) => name === "abort" && listeners.delete(listener),
  } as unknown as AbortSignal;
  const left = run(tasks(3), { executor: instantExecutor(), signal });
  await left.next();
  assertEquals(listeners.size, 1);
  await left.return();
  assertEquals(listeners.size, 0);
  await collect(run(tasks(3), { executor: instantExecutor(), signal }));
  assertEquals(listeners.size, 0);
});

test("leaving the loop, by break or by an exception, terminates running tasks and reads no further tasks", async () => {
  for (const leave of ["break", "throw"]) {
    const source = countingSource(1_000_000);
    const executor = new FakeExecutor();
    executor.onStart = (execution) => {
      if (execution.attempt.sequence === 1) execution.end();
    };
    try {
      for await (const _ of run(source, { executor, concurrency: 3 })) {
        await waitFor("others to run", () => executor.executions.length >= 3);
        if (leave === "break") break;
        throw new RangeError("the consumer failed");
      }
    } catch (error) {
      assert(error instanceof RangeError);
    }
    assert(source.returned);
    assertEquals(executor.closed, 1);
    assert(executor.executions.slice(1).every(({ terminations }) => terminations.length === 1));
  }
});

test("return() closes the executor once, after the last attempt has ended", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.endsAtOnce = false;
  const results = run(tasks(3), { executor, concurrency: 1 });
  const first = results.next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  const left = results.return();
  await settle();
  assertEquals([executor.executions[0]!.terminations.length, executor.closed], [1, 0]);
  executor.executions[0]!.end();
  await left;
  await first;
  await results.return();
  assertEquals(executor.closed, 1);
});

test("return() waits until the source has cleaned up", async () => {
  let cleaned = false;
  async function* source() {
    try {
      for (;;) yield task(1);
    } finally {
      await settle();
      cleaned = true;
    }
  }
  for await (const _ of run(source(), { executor: instantExecutor(), concurrency: 1 })) {
    await settle(); // until no read is pending
    break;
  }
  assert(cleaned);
});

test("kill() kills running tasks immediately, even during their termination", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.endsAtOnce = false;
  const stop = new AbortController();
  const results = run(tasks(1), { executor, signal: stop.signal, killAfterMs: 9 });
  const first = results.next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  stop.abort(new RangeError("enough"));
  results.kill();
  assertEquals(executor.executions[0]!.terminations, [9, 0]);
  executor.executions[0]!.end({ ending: { kind: "signaled", signal: "SIGKILL", status: 137 } });
  assertEquals((await first).value!.outcome, "canceled");
  await assertRejects(() => results.next(), RangeError, "enough");
});

test("with keepOrder and high concurrency, the window is four times the concurrency", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => {
    if (execution.attempt.sequence > 1) execution.end();
  };
  const results = run(countingSource(1_000_000), { executor, concurrency: 500, keepOrder: true });
  const first = results.next();
  await waitFor("a full window", () => executor.executions.length >= 2_000);
  await settle();
  assertEquals(executor.executions.length, 2_000);
  await results.return();
  await first;
});

test("return() discards results that were not taken", async () => {
  for (const keepOrder of [false, true]) {
    const executor = new FakeExecutor();
    executor.onStart = (execution) => {
      if (execution.attempt.sequence > 1) execution.end({ stdout: { text: "", file: "/spilled" } });
    };
    const results = run(tasks(4), { executor, concurrency: 4, keepOrder });
    const first = results.next();
    await waitFor("all attempts", () => executor.executions.length === 4);
    await settle();
    await results.return();
    await results.return(); // discards nothing twice
    await first;
    const taken = keepOrder ? 0 : 1;
    assertEquals(executor.discarded.filter(({ stdout }) => stdout.file).length, 3 - taken);
  }
});

test("return() settles pending calls of next(), and can be called repeatedly, before the start and after the end", async () => {
  const executor = new FakeExecutor();
  const results = run(tasks(5), { executor, concurrency: 1 });
  const waiting = [results.next(), results.next(), results.next()];
  await waitFor("an attempt", () => executor.executions.length === 1);
  assertEquals(await results.return(), { done: true, value: undefined });
  assertEquals((await Promise.all(waiting)).map(({ done }) => done), [true, true, true]);
  assertEquals(await results.return(), { done: true, value: undefined });
  assertEquals(await results.next(), { done: true, value: undefined });

  const never = run(tasks(5), { executor: new FakeExecutor() });
  assertEquals(await never.return(), { done: true, value: undefined });
  assertEquals(await never.next(), { done: true, value: undefined });

  const finished = run(tasks(1), { executor: instantExecutor() });
  await collect(finished);
  assertEquals(await finished.return(), { done: true, value: undefined });
});

test("[Symbol.asyncDispose]() ends a run", async () => {
  const executor = new FakeExecutor();
  const results = run(tasks(5), { executor, concurrency: 2 });
  const first = results.next();
  await waitFor("attempts", () => executor.executions.length === 2);
  await results[Symbol.asyncDispose]();
  await first;
  assert(executor.executions.every(({ terminations }) => terminations.length === 1));
  assertEquals(executor.closed, 1);
});

test("a task is retried after it failed, was killed or timed out, up to its retries", async () => {
  const executor = new FakeExecutor();
  const ends: FakeResult[] = [{ status: 1 }, { ending: TERMINATED }, { stdout: { text: "at last" } }];
  executor.onStart = (execution) => execution.end(ends[execution.attempt.number - 1]!);
  const [result] = await collect(run([{ cmd: "x", retries: 5 }], { executor })) as [TaskResult];
  assertEquals([result.outcome, result.attempts, result.stdout], ["ok", 3, "at last"]);
  assertEquals(executor.discarded.length, 2);

  executor.onStart = (execution) => execution.end({ status: 1 });
  const [failed] = await collect(run([{ cmd: "x", retries: 2 }], { executor })) as [TaskResult];
  assertEquals([failed.outcome, failed.attempts], ["failed", 3]);

  executor.onStart = (execution) =>
    execution.end({ ending: { kind: "spawn-failed", status: 127, reason: "No such program" } });
  const [notStarted] = await collect(run([{ cmd: "x", retries: 2 }], { executor })) as [TaskResult];
  assertEquals([notStarted.outcome, notStarted.attempts], ["not-started", 1]);
});

test("a canceled task is not retried", async () => {
  const executor = new FakeExecutor();
  const stop = new AbortController();
  const results = run([{ cmd: "x", retries: 5 }], { executor, signal: stop.signal });
  const first = results.next();
  await waitFor("the attempt", () => executor.executions.length === 1);
  stop.abort();
  assertEquals((await first).value!.attempts, 1);
  assertEquals(executor.executions.length, 1);
});

test("an attempt that exceeds timeoutMs has status 124, and is retried", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => {
    if (execution.attempt.number === 2) execution.end();
  };
  const results = run([{ cmd: "x", timeoutMs: 1 }, { cmd: "y", timeoutMs: 1, retries: 1 }], {
    executor,
    concurrency: 2,
    killAfterMs: 9,
    keepOrder: true,
  });
  const [timedOut, retried] = await collect(results) as [TaskResult, TaskResult];
  assertEquals([timedOut.outcome, timedOut.status, timedOut.signal], ["timeout", 124, "SIGTERM"]);
  assertEquals(timedOut.error, "The task took longer than its timeout allows");
  assertEquals(executor.executions[0]!.terminations, [9]);
  assertEquals([retried.outcome, retried.attempts], ["ok", 2]);
});

test("a run of random tasks yields each result once", async () => {
  const plan = fc.record({ status: fc.nat({ max: 2 }), turns: fc.nat({ max: 2 }), retries: fc.nat({ max: 2 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(plan, { maxLength: 40 }),
      fc.integer({ min: 1, max: 6 }),
      fc.boolean(),
      async (plans, concurrency, keepOrder) => {
        const executor = new FakeExecutor();
        let running = 0;
        executor.onStart = async (execution) => {
          assert(++running <= concurrency);
          const { status, turns } = plans[execution.attempt.sequence - 1]!;
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
          running--;
          execution.end({ status });
        };
        const input = plans.map(({ retries }) => ({ cmd: "x", retries }));
        const results = await collect(run(input, { executor, concurrency, keepOrder }));
        const ids = results.map(({ id }) => Number(id));
        assertEquals(keepOrder ? ids : ids.sort((a, b) => a - b), plans.map((_, index) => index + 1));
        for (const { id, status, attempts } of results) {
          const { retries, status: planned } = plans[Number(id) - 1]!;
          assertEquals([status, attempts], [planned, planned === 0 ? 1 : retries + 1]);
        }
      },
    ),
    { numRuns: 200 },
  );
});
