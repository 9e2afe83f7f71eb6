import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import {
  createPool,
  type CreatePoolOptions,
  ExecutorError,
  type InvalidTaskError,
  type Progress,
  type Task,
  TaskAbortError,
  type TaskPool,
  type TaskResult,
} from "../../mod.ts";
import { QueuedTaskPool } from "../../pool/task_pool.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type FakeExecution, FakeExecutor, instantExecutor } from "../support/fake_executor.ts";
import { EFFORT, SEED, shell, waitFor, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const EXECUTORS = ["shell", "process"] as const;

/** Waits for one turn of the event loop. */
const settle = () => new Promise((resolve) => setTimeout(resolve));

/** Calls a function with a pool, and disposes of the pool: Node 22 cannot parse `await using`. */
async function withPool(options: CreatePoolOptions, use: (pool: TaskPool) => Promise<void>): Promise<void> {
  const pool = createPool(options);
  try {
    await use(pool);
  } finally {
    await pool[Symbol.asyncDispose]();
  }
}

/** Returns the reason for which a promise rejects. */
async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  return await promise.then(() => new Error("It was fulfilled"), (error) => error);
}

test("run() resolves to the result of the task, with both executors", async () => {
  for (const executor of EXECUTORS) {
    const results: TaskResult[] = [];
    await withPool({ executor, concurrency: 2 }, async (pool) => {
      results.push(
        ...await Promise.all([
          pool.run({ id: "a", cmd: "cat", stdin: "text", meta: { n: 1 } }),
          pool.run("echo $((1 + 1))"),
          pool.run(["printf", "%s", "$x"]),
          pool.run("exit 3"),
        ]),
      );
    });
    assertEquals(
      results.map(({ id, outcome, stdout, status }) => [id, outcome, stdout, status]),
      [["a", "ok", "text", 0], ["2", "ok", "2\n", 0], ["3", "ok", "$x", 0], ["4", "failed", "", 3]],
    );
    assertEquals(results[0]!.meta, { n: 1 });
  }
});

test("run() accepts tasks at any time and starts at most `concurrency` of them", async () => {
  const executor = new FakeExecutor();
  const pool = createPool({ executor, concurrency: 2 });
  assertEquals([pool.size, pool.pending, pool.concurrency], [0, 0, 2]);
  const promises = ["a", "b", "c"].map((id) => pool.run({ id, cmd: "x" }));
  assertEquals([pool.size, pool.pending, executor.executions.length], [1, 2, 2]);
  executor.executions[1]!.end();
  assertEquals((await promises[1]!).id, "b");
  assertEquals([pool.size, pool.pending], [0, 2]);
  promises.push(pool.run({ id: "d", cmd: "x" }));
  pool.concurrency = 3;
  assertEquals([pool.size, pool.pending], [0, 3]);
  for (const execution of executor.executions) execution.end();
  assertEquals((await Promise.all(promises)).map(({ id }) => id), ["a", "b", "c", "d"]);
  await pool.close();
  assertEquals(executor.closed, 1);
});

test("createPool() reports invalid options immediately", () => {
  assertThrows(() => createPool({ concurrency: 0 }), RangeError, "concurrency must be an integer of at least 1, got 0");
  assertThrows(() => createPool({ keepOrder: true } as object), TypeError, "each task has its own promise");
  assertThrows(() => createPool({ concurency: 1 } as object), TypeError, 'did you mean "concurrency"?');
  const pool = createPool();
  assertThrows(() => pool.concurrency = 0.5, RangeError, "Cannot change the concurrency: concurrency must be");
});

test("run() rejects a value that is not a task, and the pool continues", async () => {
  const pool = createPool({ executor: instantExecutor() });
  assertEquals((await rejectionOf(pool.run({ cmd: 1 } as unknown as Task))).message.includes("task 1"), true);
  assertEquals((await pool.run("x")).id, "2");
  await pool.close();
});

test("run() rejects a task that waits for more than its turn", async () => {
  const pool = createPool({ executor: instantExecutor() });
  for (const [field, value] of Object.entries({ after: "a", priority: 1, uses: { gpu: 1 }, slots: 2 })) {
    const error = await rejectionOf(pool.run({ id: "b", cmd: "x", [field]: value }));
    assertEquals([error.name, (error as InvalidTaskError).field], ["InvalidTaskError", field]);
  }
  assertThrows(() => createPool({ resources: {} } as object), TypeError, "an option of run() and TaskRunner");
  await pool.close();
});

test("an aborted signal terminates a running task and drops a waiting one", async () => {
  for (const executor of EXECUTORS) {
    await withTempDirectory((cwd) =>
      withPool({ executor, concurrency: 1 }, async (pool) => {
        const controller = new AbortController();
        const { signal } = controller;
        const running = pool.run({ cmd: "echo output; : >begun; sleep 60", cwd }, { signal });
        const waiting = pool.run("echo never", { signal });
        const other = pool.run("echo other");
        await waitFor("the command to begin", () => existsSync(join(cwd, "begun")));
        controller.abort(new Error("enough"));
        const errors = [await rejectionOf(running), await rejectionOf(waiting)] as TaskAbortError[];
        for (const error of errors) {
          assert(error instanceof TaskAbortError);
          assertEquals([error.name, (error.cause as Error).message], ["AbortError", "enough"]);
        }
        assertEquals(errors.map(({ message }) => message), ['Task "1" was canceled', 'Task "2" was canceled']);
        const [first, second] = errors.map(({ result }) => result);
        assertEquals([first?.outcome, first?.stdout, second], ["canceled", "output\n", undefined]);
        assertEquals((await other).stdout, "other\n");
        assert(await rejectionOf(pool.run("echo late", { signal })) instanceof TaskAbortError);
      })
    );
  }
});

test("an aborted signal cancels a waiting task immediately, and a running task in any slot", async () => {
  const executor = new FakeExecutor();
  const pool = createPool({ executor, concurrency: 2 });
  const controllers = [new AbortController(), new AbortController()];
  const [first, second, third] = [
    pool.run("x"),
    pool.run("x", { signal: controllers[0]!.signal }),
    pool.run("x", { signal: controllers[1]!.signal }),
  ];
  controllers[1]!.abort();
  assertEquals(pool.size, 0);
  assert(await rejectionOf(third) instanceof TaskAbortError);
  executor.executions[0]!.end();
  await first;
  controllers[0]!.abort();
  assertEquals((await rejectionOf(second) as TaskAbortError).result?.outcome, "canceled");
  assertEquals(executor.executions.length, 2);
  await pool.close();
});

test("a signal that onAttemptStart() aborts prevents the start", async () => {
  const executor = new FakeExecutor();
  const controller = new AbortController();
  const onAttemptStart = () => {
    controller.abort(new Error("enough"));
    return undefined;
  };
  const pool = createPool({ executor, onAttemptStart });
  const error = await rejectionOf(pool.run("x", { signal: controller.signal })) as TaskAbortError;
  assertEquals([(error.cause as Error).message, error.result, executor.executions], ["enough", undefined, []]);
  await pool.close();
});

test("a signal has one listener, and none when its tasks have ended", async () => {
  const executor = instantExecutor();
  const pool = createPool({ executor, concurrency: 2 });
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--;
    removeEventListener.apply(signal, args);
  };
  const promises = Array.from({ length: 50 }, () => pool.run("x", { signal }));
  assertEquals(listeners, 1);
  await Promise.all(promises);
  assertEquals(listeners, 0);
  await pool.close();
});

/** Returns a pool with one task, whose first attempt has failed and whose retry is far away. */
async function poolWithWaitingTask() {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.end({ status: 1 });
  const pool = createPool({ executor, retry: { limit: 5, delayMs: 1_000_000 } });
  const controller = new AbortController();
  const promise = pool.run("x", { signal: controller.signal });
  await settle();
  return { pool, controller, promise };
}

test("a task that waits for a retry can be canceled, with its last result", async () => {
  const { pool, controller, promise } = await poolWithWaitingTask();
  assertEquals([pool.size, pool.pending], [1, 0]);
  controller.abort();
  const { result } = await rejectionOf(promise) as TaskAbortError;
  assertEquals([result?.outcome, result?.attempts, result?.status], ["canceled", 1, 1]);
  await pool.close();
});

test("a pool closes when its last task is canceled", async () => {
  const { pool, controller, promise } = await poolWithWaitingTask();
  const closed = pool.close();
  controller.abort();
  assert(await rejectionOf(promise) instanceof TaskAbortError);
  await closed;
});

test("a canceled task is not retried, however its attempt ended", async () => {
  const executor = new FakeExecutor();
  const pool = createPool({ executor, retry: { limit: 5, delayMs: 3_600_000 } });
  const controller = new AbortController();
  const promise = pool.run("x", { signal: controller.signal });
  const [execution] = executor.executions;
  execution!.exit(); // before the pool sees the end
  controller.abort();
  execution!.end({ status: 1 });
  assertEquals((await rejectionOf(promise) as TaskAbortError).result?.status, 1);
  assertEquals(executor.executions.length, 1);
  await pool.close();
});

test("close() finishes the added tasks, and rejects new tasks", async () => {
  const executor = new FakeExecutor();
  const pool = createPool({ executor, concurrency: 1 });
  const promises = [pool.run("x"), pool.run("x")];
  const closed = pool.close();
  await assertRejects(() => pool.run("x"), Error, "Cannot run a task: the pool is closed");
  executor.onStart = (execution) => execution.end();
  executor.executions[0]!.end();
  assertEquals((await Promise.all(promises)).map(({ outcome }) => outcome), ["ok", "ok"]);
  await closed;
  assertEquals(executor.closed, 1);
});

test("the end of an `await using` block terminates running tasks, and no dropped promise ends the program", async () => {
  const executor = new FakeExecutor();
  const promises: Promise<TaskResult>[] = [];
  await withPool({ executor, concurrency: 1 }, (pool) => {
    promises.push(pool.run("x"), pool.run("x"));
    return Promise.resolve();
  });
  const errors = await Promise.all(promises.map(rejectionOf)) as TaskAbortError[];
  assertEquals(errors.map(({ name, cause, result }) => [name, (cause as Error).message, result?.outcome]), [
    ["AbortError", "The pool was disposed", "canceled"],
    ["AbortError", "The pool was disposed", undefined],
  ]);
  assertEquals(executor.closed, 1);
});

test("a pool rejects tasks after its disposal, and leaves no timer running", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const pool = new QueuedTaskPool({}, instantExecutor, true);
    await pool.run("x");
    assertEquals(clock.waiting, 1);
    await pool[Symbol.asyncDispose]();
    assertEquals(clock.waiting, 0);
    await assertRejects(() => pool.run("x"), Error, "Cannot run a task: the pool is closed");
  });
});

test("close() and the disposal wait until the executor has closed", async () => {
  for (const end of ["close", Symbol.asyncDispose] as const) {
    const executor = instantExecutor();
    const closing = Promise.withResolvers<void>();
    executor.close = () => closing.promise;
    const pool = createPool({ executor });
    await pool.run("x");
    let hasClosed = false;
    const closed = pool[end]().then(() => hasClosed = true);
    await settle();
    assertEquals(hasClosed, false);
    closing.resolve();
    await closed;
  }
});

test("a pool that was never used closes immediately", async () => {
  const pool = createPool();
  await pool.onIdle();
  await pool.close();
  await pool[Symbol.asyncDispose]();
});

test("the signal of the pool ends all tasks, and the pool rejects further ones", async () => {
  const controller = new AbortController();
  const executors: FakeExecutor[] = [];
  const pool = new QueuedTaskPool({ concurrency: 1, signal: controller.signal }, () => {
    executors.push(new FakeExecutor());
    return executors.at(-1)!;
  }, true);
  const promises = [pool.run("x"), pool.run("x")];
  controller.abort(new Error("enough"));
  promises.push(pool.run("x"));
  for (const promise of promises) assertEquals((await rejectionOf(promise)).cause, controller.signal.reason);
  assertEquals(executors[0]!.executions.length, 1);
  await pool.close();
});

test("a failure of the executor rejects the tasks that never ran, and the next task gets a new executor", async () => {
  const executors: FakeExecutor[] = [];
  const pool = new QueuedTaskPool({ concurrency: 1 }, () => {
    executors.push(new FakeExecutor());
    return executors.at(-1)!;
  }, true);
  const [first, second] = [pool.run({ id: "first", cmd: "x" }), pool.run({ id: "second", cmd: "x" })];
  executors[0]!.executions[0]!.fail(new Error("broken"));
  assertEquals((await first).error, "The executor failed: broken");
  await assertRejects(() => second, Error, "broken");
  const third = pool.run({ id: "third", cmd: "x" });
  await settle();
  executors[1]!.executions[0]!.end();
  assertEquals([(await third).outcome, executors[0]!.closed], ["ok", 1]);
  await pool.close();
});

/** Returns a pool with a failed session that still runs task `b`, and a session with the waiting task `c`. */
async function poolWithTwoSessions() {
  const executors: FakeExecutor[] = [];
  const pool = new QueuedTaskPool({ concurrency: 2 }, () => {
    executors.push(new FakeExecutor());
    return executors.at(-1)!;
  }, true);
  const controller = new AbortController();
  const [a, b] = [pool.run({ id: "a", cmd: "x" }), pool.run({ id: "b", cmd: "x" })];
  executors[0]!.executions[0]!.fail(new Error("broken"));
  await a;
  const c = pool.run({ id: "c", cmd: "x" }, { signal: controller.signal });
  await settle();
  assertEquals([pool.size, pool.pending, executors[1]!.executions.length], [1, 1, 0]);
  return { pool, b, c, controller, executors: [executors[0]!, executors[1]!] as const };
}

test("a session starts tasks only when the failed session before it has closed", async () => {
  const { pool, b, c, executors: [first, second] } = await poolWithTwoSessions();
  first.executions[1]!.end();
  await b;
  await settle();
  assertEquals([first.closed, second.executions.length], [1, 1]);
  second.executions[0]!.end();
  assertEquals((await c).outcome, "ok");
  await pool.close();
});

test("a task can be canceled while its session waits for a failed session", async () => {
  const { pool, b, c, controller, executors: [first, second] } = await poolWithTwoSessions();
  controller.abort();
  assert(await rejectionOf(c) instanceof TaskAbortError);
  first.executions[1]!.end();
  await b;
  await pool.close();
  assertEquals([first.closed, second.executions.length, second.closed], [1, 0, 1]);
});

test("close() finishes the tasks of all sessions, and the disposal ends them", async () => {
  for (const end of ["close", Symbol.asyncDispose] as const) {
    const { pool, b, c, executors: [first, second] } = await poolWithTwoSessions();
    const promises = Promise.allSettled([b, c]);
    second.onStart = (execution) => execution.end();
    const closed = pool[end]();
    first.executions[1]!.end();
    await closed;
    assertEquals([first.closed, second.closed], [1, 1]);
    const statuses = (await promises).map(({ status }) => status);
    assertEquals(statuses, end === "close" ? ["fulfilled", "fulfilled"] : ["rejected", "rejected"]);
  }
});

test("an executor object that has failed cannot be opened again", async () => {
  const executor = new FakeExecutor();
  const pool = createPool({ executor });
  const promise = pool.run("x");
  executor.executions[0]!.fail(new Error("broken"));
  await promise;
  await assertRejects(() => pool.run("x"), Error, "cannot be opened again");
  await pool.close();
});

test("an idle pool closes its executor, and opens another for the next task", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const executors: FakeExecutor[] = [];
    const pool = new QueuedTaskPool({}, () => {
      executors.push(instantExecutor());
      return executors.at(-1)!;
    }, true);
    await pool.run("x");
    await clock.advance(99);
    await pool.run("x");
    await clock.advance(99);
    assertEquals(executors.map(({ closed }) => closed), [0]);
    await clock.advance(1);
    assertEquals(executors.map(({ closed }) => closed), [1]);
    assertEquals((await pool.run("x")).id, "3");
    assertEquals(executors.map(({ closed }) => closed), [1, 0]);
    await pool.close();
    assertEquals(executors.map(({ closed }) => closed), [1, 1]);
    assertEquals(clock.waiting, 0);
  });
});

test("an idle pool whose executor stays open, or a closed pool, sets no timer", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    for (const closesWhenIdle of [false, true]) {
      const executor = new FakeExecutor();
      const pool = new QueuedTaskPool({}, () => executor, closesWhenIdle);
      const first = pool.run("x");
      if (!closesWhenIdle) {
        executor.executions[0]!.end();
        await first;
        assertEquals([clock.waiting, executor.closed], [0, 0]);
      }
      const closed = pool.close();
      executor.executions[0]!.end();
      await closed;
      assertEquals([clock.waiting, executor.closed], [0, 1]);
    }
  });
});

test("onProgress counts all tasks of the pool", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    let last: Progress | undefined;
    const onProgress = (progress: Progress) => last = progress;
    const createExecutor = () => {
      const executor = new FakeExecutor();
      executor.onStart = (execution) => execution.end({ status: execution.attempt.task.cmd === "false" ? 1 : 0 });
      return executor;
    };
    const pool = new QueuedTaskPool({ onProgress }, createExecutor, true);
    await pool.run("x");
    await clock.advance(1_000);
    await pool.run("x");
    await pool.run("false");
    assertEquals([last?.finished, last?.failed, last?.running, last?.total], [3, 1, 0, undefined]);
    await pool.close();
  });
});

test("a pool that is never closed lets the program end, even with dropped promises", async () => {
  const { stdout, stderr, status } = await shell("exec $RUNTIME tests/fixtures/pool_left_open.ts");
  assertEquals([stdout, stderr, status], ["hi\n20 0 0\n", "", 0]);
});

/** Actions of a random schedule. `which` selects an attempt or a signal. */
const actionLists = fc.array(
  fc.record({
    action: fc.constantFrom("run", "run", "run", "end", "end", "fail", "abort", "concurrency", "settle"),
    which: fc.nat(20),
  }),
  { maxLength: 40 },
);

test("each promise settles once with the result of its task, in any schedule", async () => {
  const property = fc.asyncProperty(actionLists, fc.integer({ min: 1, max: 4 }), async (actions, concurrency) => {
    const executor = new FakeExecutor();
    const pool: TaskPool = createPool({ executor, concurrency, retry: 1 });
    const controllers = Array.from({ length: 3 }, () => new AbortController());
    const settled = new Map<string, string>();
    const added: string[] = [];
    const live = new Set<FakeExecution>();
    let most = 0;
    executor.onStart = (execution) => {
      live.add(execution);
      most = Math.max(most, live.size);
      execution.onTerminate = () => live.delete(execution);
    };
    const end = (which: number, status: number) => {
      const execution = [...live][which % live.size];
      if (!execution) return;
      live.delete(execution);
      execution.end({ status, stdout: { text: execution.attempt.id } });
    };
    let limit = concurrency;
    for (const { action, which } of actions) {
      if (action === "run") {
        const id = `${added.length}`;
        added.push(id);
        const settle = (how: string) => settled.set(id, settled.has(id) ? "twice" : how);
        const { signal } = controllers[which % 4] ?? { signal: undefined };
        pool.run({ id, cmd: "x" }, { signal }).then(
          (result) => settle(result.id === id && result.stdout === id ? "result" : "another result"),
          (error) => settle(error instanceof TaskAbortError ? "aborted" : `${error}`),
        );
      } else if (action === "end") end(which, 0);
      else if (action === "fail") end(which, 1);
      else if (action === "abort") controllers[which % 3]!.abort();
      else if (action === "concurrency") limit = Math.max(limit, pool.concurrency = which % 4 + 1);
      else await settle();
      assert(pool.pending <= limit && pool.size >= 0, `${pool.pending} of ${limit}, ${pool.size}`);
    }
    const idle = pool.onIdle();
    while (pool.size + pool.pending > 0) {
      end(0, 0);
      await settle();
    }
    await idle;
    await pool.close();
    assertEquals([...settled.keys()].sort(), added.sort());
    assert([...settled.values()].every((how) => how === "result" || how === "aborted"), [...settled.values()].join());
    assert(most <= limit, `${most} of ${limit}`);
  });
  await fc.assert(property, { numRuns: 200 * EFFORT, seed: SEED });
});

test("run() with an aborted signal causes no unhandled rejection when its promise is dropped", async () => {
  const pool = createPool({ executor: instantExecutor() });
  const stray: unknown[] = [];
  const note = (error: unknown) => stray.push(error);
  process.on("unhandledRejection", note);
  const dropped = pool.run("x", { signal: AbortSignal.abort() });
  await settle();
  process.off("unhandledRejection", note);
  assertEquals(stray, []);
  assertEquals((await rejectionOf(dropped)).name, "AbortError");
  assertEquals((await pool.run("x", null as unknown as undefined)).outcome, "ok");
  await pool.close();
});

test("an executor whose open() throws rejects the tasks", async () => {
  const executor = Object.assign(instantExecutor(), {
    open(): Promise<void> {
      throw new Error("no way");
    },
  });
  const pool = createPool({ executor });
  await assertRejects(() => pool.run("x"), ExecutorError, "no way");
  assertEquals(pool.size, 0);
  await pool.close();
});
