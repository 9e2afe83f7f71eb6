/** Tests of executors that break their contract: the run ends with an error, and every started task has its result. */

import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import { createPool, ExecutorError, type Run, run, type Task, type TaskResult } from "../../mod.ts";
import { checkAttemptResult } from "../../pool/check_attempt_result.ts";
import type { Attempt, AttemptCallbacks, AttemptResult, AttemptStop, Execution } from "../../pool/executor.ts";
import { RunningAttempt } from "../../pool/running_attempt.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeExecutor, fakeResult, instantExecutor } from "../support/fake_executor.ts";
import { waitFor } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const tasks = (count: number, fields: Partial<Task> = {}) =>
  Array.from({ length: count }, () => ({ cmd: "x", ...fields }));
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Executor whose first attempt ends with any value, and whose other attempts succeed. */
class MalformedExecutor extends FakeExecutor {
  readonly #report: () => unknown;

  /** @param report Returns the value. */
  constructor(report: () => unknown) {
    super();
    this.#report = report;
    this.onStart = (execution) => execution.end();
  }

  override start(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    const execution = super.start(attempt, callbacks);
    if (attempt.sequence > 1) return execution;
    return { ended: Promise.resolve().then(() => this.#report() as AttemptResult), terminate: () => {} };
  }
}

/** Executor whose attempts do not end by themselves, and whose execution has other methods. */
class BrokenExecution extends FakeExecutor {
  readonly #methods: Partial<Record<keyof Execution, unknown>>;

  constructor(methods: Partial<Record<keyof Execution, unknown>>) {
    super();
    this.#methods = methods;
  }

  override start(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    return Object.assign(super.start(attempt, callbacks), this.#methods);
  }
}

/** Collects the results of a run until it ends, and the error that ended it. */
async function drain(results: Run): Promise<{ results: TaskResult[]; error: unknown }> {
  const all: TaskResult[] = [];
  try {
    for await (const result of results) all.push(result);
    return { results: all, error: undefined };
  } catch (error) {
    return { results: all, error };
  }
}

/** Calls a function once for each way in which a method can fail: by throwing or by returning a promise that rejects. */
async function forBothFaults(use: (fault: () => never, cause: Error) => Promise<void>): Promise<void> {
  const cause = new Error("broken");
  await use(() => {
    throw cause;
  }, cause);
  await use(() => Promise.reject(cause) as never, cause);
}

const unreadable = <T extends object>(value: T, field: keyof T) =>
  Object.defineProperty({ ...value }, field, {
    get() {
      throw new RangeError("unreadable");
    },
    enumerable: true,
  });

const exited = { kind: "exited", status: 0 };
const place = { slot: 1, startedAt: "2026-01-01T00:00:00.000Z", worker: { host: "a", pid: 1 } };
const without = (field: string) => {
  const { [field]: _, ...rest } = { ...fakeResult() } as Record<string, unknown>;
  return rest;
};

/** Values that are not the result of an attempt, each with the problem in the error. */
const MALFORMED: [problem: string, value: () => unknown][] = [
  ["it must be an object, got undefined", () => undefined],
  ["it must be an object, got null", () => null],
  ["it must be an object, got 7", () => 7],
  ['"ending" is missing', () => without("ending")],
  ['"ending" must be an object, got null', () => ({ ...fakeResult(), ending: null })],
  [
    '"ending.kind" must be one of exited, signaled, spawn-failed, no-resources, lost, withdrawn, got "finished"',
    () => ({ ...fakeResult(), ending: { kind: "finished" } }),
  ],
  ['"ending.status" is missing', () => ({ ...fakeResult(), ending: { kind: "exited" } })],
  ['"ending.status" must be at most 255, got 256', () => ({ ...fakeResult(), ending: { ...exited, status: 256 } })],
  [
    '"ending.signal" must be a signal such as SIGKILL, got "9"',
    () => ({ ...fakeResult(), ending: { kind: "signaled", signal: "9", status: 137 } }),
  ],
  [
    '"ending.status" must be at least 1, got 0',
    () => ({ ...fakeResult(), ending: { kind: "signaled", signal: "SIGKILL", status: 0 } }),
  ],
  [
    '"ending.status" must be 126 or 127, got 1',
    () => ({ ...fakeResult(), ending: { kind: "spawn-failed", status: 1, reason: "" } }),
  ],
  ['"ending.reason" is missing', () => ({ ...fakeResult(), ending: { kind: "no-resources" } })],
  ['"ending.reason" must be a string, got 1', () => ({ ...fakeResult(), ending: { kind: "lost", reason: 1 } })],
  [
    '"stoppedBy" must be one of canceled, output-limit, timeout, got "whim"',
    () => ({ ...fakeResult(), stoppedBy: "whim" }),
  ],
  ['"place" must be an object, got "here"', () => ({ ...fakeResult(), place: "here" })],
  [
    '"place.worker.pid" must not be negative, got -1',
    () => ({ ...fakeResult(), place: { ...place, worker: { host: "a", pid: -1 } } }),
  ],
  ['"place.worker" is missing', () => ({ ...fakeResult(), place: { ...place, worker: undefined } })],
  ['"outputError" must be a string, got 1', () => ({ ...fakeResult(), outputError: 1 })],
  ['"durationMs" is missing', () => without("durationMs")],
  ['"durationMs" must be a number, got NaN', () => ({ ...fakeResult(), durationMs: NaN })],
  ['"userMs" must not be negative, got -1', () => ({ ...fakeResult(), userMs: -1 })],
  ['"stdout" is missing', () => without("stdout")],
  ['"stderr" must be an object, got "text"', () => ({ ...fakeResult(), stderr: "text" })],
  ['"stdout.text" is missing', () => ({ ...fakeResult(), stdout: {} })],
  ['"stdout.encoding" must be base64, got "hex"', () => ({ ...fakeResult(), stdout: { text: "", encoding: "hex" } })],
  ['"stdout.file" must be a string, got 3', () => ({ ...fakeResult(), stdout: { text: "", file: 3 } })],
];

test("checkAttemptResult() accepts every valid result, and returns a copy with its known fields", () => {
  const endings: AttemptResult["ending"][] = [
    { kind: "exited", status: 255 },
    { kind: "signaled", signal: "SIGTERM", status: 143 },
    { kind: "signaled", signal: "SIGRTMIN+3", status: null },
    { kind: "spawn-failed", status: 127, reason: "not found" },
    { kind: "no-resources", reason: "no memory" },
    { kind: "lost", reason: "gone" },
    { kind: "withdrawn" },
  ];
  for (const ending of endings) {
    const full: AttemptResult = {
      ending,
      stoppedBy: "timeout",
      place,
      outputError: "full disk",
      durationMs: 0,
      userMs: 0.5,
      systemMs: 1,
      stdout: { text: "aGk=", encoding: "base64", bytes: 9, file: "/a" },
      stderr: { text: "" },
    };
    assertEquals(checkAttemptResult({ ...full, place: { ...place, id: "other" }, more: 1 }), full);
    const { stoppedBy: _, ...rest } = full;
    assertEquals(checkAttemptResult(rest), rest as AttemptResult);
  }
});

test("checkAttemptResult() names the field that is malformed", () => {
  for (const [problem, value] of MALFORMED) {
    const error = assertThrows(() => checkAttemptResult(value()), TypeError);
    assertEquals(error.message, `Cannot read the result of the attempt: ${problem}`);
  }
});

test("a malformed result of an attempt ends the run with an error, and each started task has a result", async () => {
  for (const [problem, value] of MALFORMED) {
    for (const keepOrder of [false, true]) {
      const executor = new MalformedExecutor(value);
      const { results, error } = await drain(run(tasks(2), { executor, concurrency: 2, keepOrder }));
      const reason = `The executor failed: Cannot read the result of the attempt: ${problem}`;
      const [bad, good] = results.sort((one, other) => Number(one.id) - Number(other.id));
      assertEquals([bad!.outcome, bad!.error, good!.outcome, results.length], ["killed", reason, "ok", 2]);
      assert(error instanceof ExecutorError, String(error));
      assertEquals([error.message, (error.cause as Error).name, executor.closed], [reason, "TypeError", 1]);
    }
  }
});

test("a result of an attempt with a getter that throws ends the run, and its error is the cause", async () => {
  for (const field of ["ending", "stoppedBy", "durationMs", "stdout"] as const) {
    const executor = new MalformedExecutor(() => unreadable(fakeResult(), field));
    const { results, error } = await drain(run(tasks(2), { executor, concurrency: 1 }));
    assertEquals(results.map(({ outcome, error }) => [outcome, error]), [[
      "killed",
      "The executor failed: unreadable",
    ]]);
    assertEquals([(error as ExecutorError).name, ((error as Error).cause as Error).name], [
      "ExecutorError",
      "RangeError",
    ]);
    assertEquals([executor.executions.length, executor.closed], [1, 1]);
  }
});

test("an attempt can fail with any value, even a value that is not an error or has an unusable message", async () => {
  const values = [
    [undefined, "undefined"],
    [null, "null"],
    ["text", "text"],
    [Symbol("sign"), "Symbol(sign)"],
    [Object.create(null), "{}"],
    [unreadable(new Error("x"), "message"), "[object Object]"],
    [{ message: Object.create(null) }, '{"message":{}}'],
  ] as const;
  for (const [value, reason] of values) {
    const executor = new MalformedExecutor(() => {
      throw value;
    });
    const { results, error } = await drain(run(tasks(1), { executor }));
    assertEquals(results.map(({ error }) => error), [`The executor failed: ${reason}`]);
    assert(error instanceof ExecutorError && error.cause === value);
    const closing = Object.assign(instantExecutor(), { close: () => Promise.reject(value) });
    const { error: closeError } = await drain(run(tasks(1), { executor: closing }));
    assert(closeError instanceof ExecutorError && closeError.cause === value);
    assertEquals(closeError.message, reason);
  }
});

test("a start() that returns no execution ends the run", async () => {
  for (const execution of [undefined, null, {}]) {
    const executor = Object.assign(instantExecutor(), { start: () => execution as unknown as Execution });
    const { results, error } = await drain(run(tasks(3), { executor, concurrency: 1 }));
    assertEquals([results.map(({ outcome }) => outcome), error instanceof ExecutorError], [["killed"], true]);
    assertEquals(executor.closed, 1);
  }
});

test("an open() that returns no promise opens the executor", async () => {
  for (const opened of [undefined, true]) {
    const executor = Object.assign(instantExecutor(), { open: () => opened as unknown as Promise<void> });
    const { results, error } = await drain(run(tasks(2), { executor }));
    assertEquals([results.length, error, executor.closed], [2, undefined, 1]);
  }
});

test("a terminate() that fails ends the attempt and the run, whatever stops the attempt", async () => {
  const stops: [string, (results: Run, executor: FakeExecutor) => void][] = [
    ["kill", (results) => results.kill()],
    ["output limit", (_, executor) => executor.executions[0]!.exceedOutput()],
  ];
  await forBothFaults(async (fault, cause) => {
    for (const [how, stop] of stops) {
      const executor = new BrokenExecution({ terminate: fault });
      const results = run(tasks(1), { executor });
      const ended = drain(results);
      await waitFor("the attempt", () => executor.executions.length === 1);
      stop(results, executor);
      const { results: [result], error } = await ended;
      assertEquals([how, result!.outcome, result!.error], [how, "killed", "The executor failed: broken"]);
      assert(error instanceof ExecutorError && error.cause === cause);
      assertEquals(executor.closed, 1);
    }
  });
});

test("a terminate() that fails at a timeout ends the attempt and the run", async () => {
  await forBothFaults(async (fault, cause) => {
    const executor = new BrokenExecution({ terminate: fault });
    const { results: [result], error } = await drain(run(tasks(1, { timeoutMs: 1 }), { executor }));
    assertEquals([result!.outcome, result!.error], ["killed", "The executor failed: broken"]);
    assert(error instanceof ExecutorError && error.cause === cause);
  });
});

test("a terminate() that fails does not keep other attempts from being terminated", async () => {
  await forBothFaults(async (fault) => {
    const executor = new FakeExecutor();
    executor.onStart = (execution) => {
      if (execution.attempt.sequence === 1) Object.assign(execution, { terminate: fault });
    };
    const stop = new AbortController();
    const ended = drain(run(tasks(2), { executor, concurrency: 2, signal: stop.signal }));
    await waitFor("two attempts", () => executor.executions.length === 2);
    const reason = new Error("enough");
    stop.abort(reason);
    const { results, error } = await ended;
    assertEquals(results.map(({ id, outcome }) => `${id} ${outcome}`).sort(), ["1 killed", "2 canceled"]);
    assertEquals([error, executor.closed], [reason, 1]);
  });
});

test("a terminate() that fails although the attempt ends keeps its result, and ends the run", async () => {
  const later = (fault: () => never) => () => settle().then(fault) as never;
  const faults = (use: Parameters<typeof forBothFaults>[0]) =>
    forBothFaults(async (fault, cause) => {
      await use(fault, cause);
      await use(later(fault), cause); // when the run waits only for its source
    });
  await faults(async (fault, cause) => {
    const executor = new FakeExecutor();
    executor.onStart = (execution) => {
      const terminate = execution.terminate.bind(execution);
      execution.terminate = (reason: AttemptStop, killAfterMs: number) => {
        terminate(reason, killAfterMs);
        return fault();
      };
    };
    // The source stalls, so only the error can end the run.
    async function* stalled(): AsyncGenerator<Task> {
      yield { cmd: "x" };
      yield await new Promise<Task>(() => {});
    }
    const ended = drain(run(stalled(), { executor, concurrency: 2 }));
    await waitFor("the attempt", () => executor.executions.length === 1);
    executor.executions[0]!.exceedOutput();
    const { results, error } = await ended;
    assertEquals(results.map(({ outcome }) => outcome), ["output-limit"]);
    assert(error instanceof ExecutorError && error.cause === cause);
  });
});

test("a hasEnded() that throws ends the run, and the attempt has its timeout", async () => {
  const cause = new Error("broken");
  const executor = new BrokenExecution({
    hasEnded() {
      throw cause;
    },
  });
  const { results: [result], error } = await drain(run(tasks(1, { timeoutMs: 1 }), { executor }));
  assertEquals([result!.outcome, result!.error], ["timeout", "The task took longer than its timeout allows"]);
  assert(error instanceof ExecutorError && error.cause === cause);
  assertEquals(error.message, "The executor failed: broken");
});

test("an executor needs no hasEnded() for timeouts", async () => {
  const executor = new BrokenExecution({ hasEnded: undefined });
  const { results: [result], error } = await drain(run(tasks(1, { timeoutMs: 1 }), { executor }));
  assertEquals([result!.outcome, error], ["timeout", undefined]);
});

test("an attempt without an observer rejects when it cannot be terminated", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const executor = new BrokenExecution({
      hasEnded() {
        throw new Error("no answer");
      },
      terminate() {
        throw new Error("broken");
      },
    });
    const attempt = { task: { cmd: "x" }, id: "1", sequence: 1, number: 1, slot: 1, timeoutMs: 1 };
    const { ended } = new RunningAttempt(executor, attempt, 1);
    ended.catch(() => {});
    await clock.advance(10);
    await assertRejects(() => ended, Error, "broken");
    assertEquals(clock.waiting, 0);
    const early = new RunningAttempt(executor, { ...attempt, timeoutMs: 1_000 }, 1);
    early.terminate("canceled");
    await Promise.all([assertRejects(() => early.ended, Error, "broken"), clock.advance(1)]);
    assertEquals(clock.waiting, 0);
  });
});

test("a discard() that fails ends the run after the retry, with the result of the retry", async () => {
  await forBothFaults(async (fault, cause) => {
    const executor = Object.assign(new FakeExecutor(), { discard: fault });
    executor.onStart = (execution) => execution.end({ status: execution.attempt.number === 1 ? 1 : 0 });
    const { results, error } = await drain(run(tasks(3, { retries: 1 }), { executor, concurrency: 1 }));
    assertEquals(results.map(({ outcome, attempts }) => [outcome, attempts]), [["ok", 2]]);
    assert(error instanceof ExecutorError && error.cause === cause);
    assertEquals([error.message, executor.executions.length, executor.closed], ["The executor failed: broken", 2, 1]);
  });
});

test("return() resolves although discard() and close() fail, and discards every result", async () => {
  await forBothFaults(async (fault) => {
    let discards = 0;
    const executor = Object.assign(instantExecutor(), {
      discard() {
        discards++;
        return fault();
      },
      close: fault,
    });
    const results = run(tasks(3), { executor, concurrency: 3 });
    await results.next();
    await waitFor("all attempts", () => executor.executions.length === 3);
    await settle();
    assertEquals(await results.return(), { done: true, value: undefined });
    assertEquals([discards, await results.next()], [2, { done: true, value: undefined }]);
  });
});

test("a drain() whose promise rejects ends the run with an error", async () => {
  const cause = new Error("cannot drain");
  const executor = Object.assign(new FakeExecutor(), { drain: () => Promise.reject(cause) as never });
  const results = run(tasks(3), { executor, concurrency: 1 });
  const ended = drain(results);
  await waitFor("the attempt", () => executor.executions.length === 1);
  results.drain();
  await settle();
  executor.executions[0]!.end();
  const { results: [result], error } = await ended;
  assertEquals(result!.outcome, "ok");
  assert(error instanceof ExecutorError && error.cause === cause);
});

test("a closed executor is not drained", async () => {
  let drains = 0;
  const executor = Object.assign(instantExecutor(), { drain: () => void drains++ });
  const closing = Promise.withResolvers<void>();
  executor.close = () => {
    executor.closed++;
    return closing.promise;
  };
  const results = run(tasks(1), { executor });
  await results.next();
  const last = results.next();
  await waitFor("the executor to be closed", () => executor.closed === 1);
  results.drain();
  closing.resolve();
  assertEquals((await last).done, true);
  results.kill();
  assertEquals(drains, 0);
});

test("a pool settles every task although its executor breaks its contract", async () => {
  await forBothFaults(async (fault, cause) => {
    const closing = { close: fault };
    const broken = Object.assign(new BrokenExecution({ terminate: fault }), closing);
    const malformed = Object.assign(new MalformedExecutor(() => ({ ending: { kind: "?" } })), closing);
    for (const [executor, end] of [[broken, "dispose"], [broken, "cancel"], [malformed, "close"]] as const) {
      const stop = new AbortController();
      const pool = createPool({ executor, concurrency: 1 });
      const all = Promise.allSettled([pool.run("x", { signal: stop.signal }), pool.run("y")]);
      await settle();
      if (end === "dispose") await pool[Symbol.asyncDispose]();
      if (end === "cancel") stop.abort();
      const [first, second] = await all;
      assertEquals([first.status, second.status], ["fulfilled", "rejected"]);
      const { reason } = second as PromiseRejectedResult;
      if (end === "cancel") assert(reason instanceof ExecutorError && reason.cause === cause);
      await pool.close();
      assertEquals([pool.size, pool.pending], [0, 0]);
    }
  });
});
