import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import {
  type AttemptHooks,
  type AttemptResult,
  type AttemptStart,
  ExecutorError,
  run,
  type RunOptions,
} from "../../mod.ts";
import { FakeExecutor, type FakeResult, instantExecutor, TERMINATED } from "../support/fake_executor.ts";
import { collect, waitFor } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const tasks = (count: number) => Array.from({ length: count }, () => ({ cmd: "x" }));

/** Runs tasks and returns their outcomes and the calls of the hooks. */
async function observe(options: RunOptions & { executor: FakeExecutor }, count: number) {
  const starts: AttemptStart[] = [];
  const ends: (AttemptResult | undefined)[] = [];
  const results = run(tasks(count), {
    concurrency: 1,
    ...options,
    onAttemptStart: (attempt) => {
      assertEquals(options.executor.executions.length, starts.length); // before the start
      starts.push(attempt);
      return { env: { NUMBER: `${attempt.number}` }, onEnd: (result) => ends.push(result) };
    },
  });
  const outcomes: string[] = [];
  let error: unknown;
  try {
    for await (const { outcome } of results) outcomes.push(outcome);
  } catch (reason) {
    error = reason;
  }
  return { starts, ends, outcomes, error };
}

test("onAttemptStart() is called before each attempt, and onEnd() with the result", async () => {
  const executor = new FakeExecutor();
  const results: FakeResult[] = [{ status: 1 }, { stdout: { text: "at last" } }, { ending: TERMINATED }];
  executor.onStart = (execution) => execution.end(results[executor.executions.length - 1]!);
  const { starts, ends, outcomes } = await observe(
    { executor, retry: 1, halt: { when: "soon", on: "done", count: 1 } },
    2,
  );
  assertEquals(outcomes, ["ok"]);
  const task = { cmd: "x" };
  assertEquals(starts, [1, 2].map((number) => ({ id: "1", sequence: 1, number, slot: 1, task })));
  assertEquals(executor.executions.map(({ attempt }) => attempt.env), [{ NUMBER: "1" }, { NUMBER: "2" }]);
  assertEquals(ends.map((end) => [end!.ending, end!.stdout.text]), [
    [{ kind: "exited", status: 1 }, ""],
    [{ kind: "exited", status: 0 }, "at last"],
  ]);
});

test("onEnd() gets the reason for which an attempt was stopped", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => {
    if (execution.attempt.sequence === 1) return;
    if (execution.attempt.sequence === 3) execution.exit();
    queueMicrotask(execution.exceedOutput);
    if (execution.attempt.sequence === 3) queueMicrotask(() => execution.end());
  };
  const { ends, outcomes } = await observe({ executor, timeoutMs: 1 }, 3);
  assertEquals(outcomes, ["timeout", "output-limit", "output-limit"]);
  assertEquals(ends.map((end) => [end!.stoppedBy, end!.ending.kind]), [
    ["timeout", "signaled"],
    ["output-limit", "signaled"],
    ["output-limit", "exited"],
  ]);
});

for (const how of ["throws", "rejects"] as const) {
  test(`onEnd() gets no result when the executor ${how}`, async () => {
    const executor = new FakeExecutor();
    const error = new Error("no room");
    executor.onStart = (execution) => {
      if (how === "throws") throw error;
      execution.fail(error);
    };
    const seen = await observe({ executor }, 2);
    assertEquals([seen.ends, seen.outcomes, seen.error instanceof ExecutorError], [[undefined], ["killed"], true]);
    assertEquals((seen.error as ExecutorError).cause, error);
  });
}

test("onAttemptStart() may return undefined", async () => {
  const executor = instantExecutor();
  const [result] = await collect(run(tasks(1), { executor, onAttemptStart: () => undefined }));
  assertEquals([result!.outcome, executor.executions[0]!.attempt.env], ["ok", undefined]);
});

test("an error of onAttemptStart() ends the run, and the attempt does not start", async () => {
  const executor = new FakeExecutor();
  const results = run(tasks(3), {
    executor,
    concurrency: 2,
    onAttemptStart({ sequence }) {
      if (sequence === 2) throw new RangeError("no hook");
      return undefined;
    },
  });
  const { value } = await results.next();
  assertEquals([value!.id, value!.outcome], ["1", "canceled"]);
  await assertRejects(() => results.next(), RangeError, "no hook");
  assertEquals([executor.executions.length, executor.closed], [1, 1]);
});

test("an error of onEnd() ends the run, and the attempt has a result", async () => {
  const executor = instantExecutor();
  const results = run(tasks(3), {
    executor,
    concurrency: 1,
    onAttemptStart: () => ({
      onEnd() {
        throw new RangeError("no end");
      },
    }),
  });
  assertEquals((await results.next()).value!.outcome, "ok");
  await assertRejects(() => results.next(), RangeError, "no end");
  assertEquals([executor.executions.length, executor.closed], [1, 1]);
});

test("onAttemptStart() can drain the run; its attempt is then withdrawn", async () => {
  const executor = new FakeExecutor();
  const ends: (AttemptResult | undefined)[] = [];
  const results: ReturnType<typeof run> = run(tasks(2), {
    executor,
    onAttemptStart() {
      results.drain();
      return { onEnd: (result) => ends.push(result) };
    },
  });
  assertEquals(await collect(results), []);
  assertEquals([executor.executions, ends.map((end) => end!.ending)], [[], [{ kind: "withdrawn" }]]);
});

test("an attempt that starts during onAttemptStart() gets another slot", async () => {
  const executor = new FakeExecutor();
  const results: ReturnType<typeof run> = run(tasks(2), {
    executor,
    concurrency: 2,
    retry: 1,
    onAttemptStart({ sequence, number }) {
      if (sequence === 1 && number === 2) results.concurrency = 2;
      return undefined;
    },
  });
  const all = collect(results);
  await waitFor("both tasks", () => executor.executions.length === 2);
  results.concurrency = 1; // so that both retries wait for the same slot
  executor.onStart = (execution) => execution.end();
  for (const execution of [...executor.executions]) execution.end({ status: 1 });
  assertEquals((await all).map(({ outcome }) => outcome), ["ok", "ok"]);
  assertEquals(executor.executions.slice(2).map(({ attempt }) => attempt.slot).sort(), [1, 2]);
});

test("an invalid return value of onAttemptStart() ends the run", async () => {
  const wrong: [unknown, RegExp][] = [
    [null, /onAttemptStart must return \{ env, onEnd \} or undefined, got null$/],
    ["x", /onAttemptStart must return .*, got "x"$/],
    [Promise.resolve({}), /onAttemptStart must return \{ env, onEnd \} or undefined/],
    [{ env: 7 }, /"env" of onAttemptStart must be an object of strings$/],
    [{ env: { A: 1 } }, /"env.A" of onAttemptStart must be a string$/],
    [{ env: { "A=B": "" } }, /"env.A=B" of onAttemptStart is not the name of a variable/],
    [{ env: { A: "\0" } }, /"env.A" of onAttemptStart must not contain a NUL/],
    [{ onEnd: 7 }, /onEnd of onAttemptStart must be a function, got 7$/],
  ];
  for (const [hooks, message] of wrong) {
    const executor = new FakeExecutor();
    const onAttemptStart = () => hooks as AttemptHooks;
    const error = await assertRejects(() => collect(run(tasks(1), { executor, onAttemptStart })), TypeError);
    assertMatch((error as Error).message, /^Cannot start the attempt: /);
    assertMatch((error as Error).message, message);
    assertEquals([executor.executions.length, executor.closed], [0, 1]);
  }
});

for (const executor of ["shell", "process"] as const) {
  test(
    `with the ${executor} executor, env of onAttemptStart() reaches the task, whose own env overrides it`,
    async () => {
      const onAttemptStart = () => ({ env: { A: "$(hook)'", B: "hook", "C-D": "odd" } });
      const options = { executor, onAttemptStart, keepOrder: true };
      const input = [{ cmd: 'printf "%s|" "$A" "$B"', env: { B: "task" } }, { cmd: ["printenv", "C-D"] }];
      const results = await collect(run(input, options));
      assertEquals(results.map(({ stdout, stderr }) => [stdout, stderr]), [["$(hook)'|task|", ""], ["odd\n", ""]]);
    },
  );
}
