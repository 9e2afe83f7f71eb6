import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import {
  InvalidTaskError,
  type Outcome,
  ResourceShortageError,
  run,
  type RunOptions,
  type Task,
  type TaskResult,
} from "../../../mod.ts";
import { PooledRun } from "../../../pool/run.ts";
import { MemoryTasks } from "../../../pool/workflow/memory_tasks.ts";
import type { CheckedTask } from "../../../records/task.ts";
import { type FakeExecution, FakeExecutor, instantExecutor } from "../../support/fake_executor.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { collect, waitFor } from "../../support/helpers.ts";
import { test } from "../../support/test.ts";

/** Waits until everything that can happen has happened. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve));
}

/** Returns an executor whose attempts end at once: those of the given ids fail, the given number of times. */
function executorWith(failures: Record<string, number>): FakeExecutor {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => {
    const { id, number } = execution.attempt;
    execution.end({ status: number <= (failures[id] ?? 0) ? 1 : 0 });
  };
  return executor;
}

/** Returns a stream to which the test adds tasks. */
function growingSource() {
  const { readable, writable } = new TransformStream<Task, Task>(undefined, { highWaterMark: 100 });
  const writer = writable.getWriter();
  return {
    readable,
    add(...tasks: Task[]): void {
      for (const task of tasks) writer.write(task).catch(() => {}); // fails after the run
    },
    end: () => void writer.close(),
  };
}

const summary = ({ id, outcome, attempts }: TaskResult) => `${id} ${outcome} ${attempts}`;
const execution = (executor: FakeExecutor, id: string) =>
  executor.executions.findLast(({ attempt }) => attempt.id === id) as FakeExecution;
const startedIds = ({ executions }: FakeExecutor) => executions.map(({ attempt: { id } }) => id);
const task = (id: string | number, fields: Partial<Task> = {}): Task => ({ id, cmd: "x", ...fields });

/** Runs tasks whose failures are given. */
async function results(tasks: Task[], failures: Record<string, number>, options: RunOptions = {}): Promise<string[]> {
  const all = await collect(run(tasks, { executor: executorWith(failures), concurrency: 2, ...options }));
  return all.map(({ id, outcome, error }) => `${id} ${outcome}${error ? `: ${error}` : ""}`);
}

test("a task runs after its prerequisites, by their outcomes", async () => {
  const tasks = [
    task("last", { after: ["ok", "failed"], runIf: "done" }),
    task("ok"),
    task("failed"),
    task("one failed", { after: ["ok", "failed"], runIf: "failed" }),
    task("none failed", { after: ["ok"], runIf: "failed" }),
    task("both ok", { after: ["ok", "failed"] }),
    task("after the skipped one", { after: ["both ok", "none failed"] }),
  ];
  assertEquals(await results(tasks, { failed: 1 }, { keepOrder: true }), [
    "last ok",
    "ok ok",
    "failed failed",
    "one failed ok",
    'none failed skipped: Skipped because the outcome of "ok" is ok, and the task runs only if a prerequisite is not ok',
    'both ok skipped: Skipped because the outcome of "failed" is failed',
    'after the skipped one skipped: Skipped because the outcome of "failed" is failed',
  ]);
});

test("a result of a skipped task has the fields of its task, and no attempt", async () => {
  const executor = executorWith({ a: 1 });
  const skipped = task("b", { after: ["a", "c"], uses: { gpu: 1 }, slots: 2, meta: 7 });
  const options: RunOptions = { executor, concurrency: 2, resources: { gpu: 1 }, recordCommand: true };
  const all = await collect(run([task("a"), task("c"), skipped], options));
  const { startedAt, cmdHash, ...rest } = all.find(({ id }) => id === "b")!;
  assert(!Number.isNaN(Date.parse(startedAt)) && cmdHash !== undefined);
  assertEquals(rest as unknown, {
    ...{ id: "b", status: null, outcome: "skipped", error: 'Skipped because the outcome of "a" is failed' },
    ...{ attempts: 0, slot: 0, durationMs: 0, stdout: "", stderr: "", cmd: "x" },
    ...{ after: ["a", "c"], uses: { gpu: 1 }, slots: 2, meta: 7 },
  });
});

test("the retries of a prerequisite are over before its dependents start", async () => {
  const executor = executorWith({ a: 2 });
  const all = await collect(run([task("b", { after: "a" }), task("a")], { executor, concurrency: 2, retry: 2 }));
  assertEquals(all.map(summary), ["a ok 3", "b ok 1"]);
});

test("members of a cycle and tasks with unknown prerequisites are skipped", async () => {
  const tasks = [
    task("a", { after: "b" }),
    task("b", { after: ["c", "a"] }),
    task("c", { after: "b", runIf: "done" }),
    task("d", { after: "a" }),
    task("e", { after: "d", runIf: "done" }),
    task("f", { after: ["e", "nowhere", "elsewhere"], runIf: "failed" }),
    task("g", { after: "f" }),
  ];
  const running = new PooledRun(tasks, { concurrency: 1, keepOrder: true }, executorWith({}));
  const all = (await collect(running)).map(({ id, error }) => `${id}: ${error}`);
  assertEquals(all, [
    'a: Skipped because of a cycle: "a" after "b" after "a"',
    'b: Skipped because of a cycle: "a" after "b" after "a"',
    'c: Skipped because of a cycle: "a" after "b" after "a"',
    'd: Skipped because "a" is in a cycle',
    "e: undefined",
    'f: Skipped because no task has the id "nowhere"',
    'g: Skipped because no task has the id "nowhere"',
  ]);
  assert(running.hasInvalidPrerequisites);
});

test("the text of a long cycle is short", async () => {
  const short = Array.from({ length: 7 }, (_, index) => task(index, { after: (index + 1) % 7 }));
  const all = ["0", "1", "2", "3", "4", "5", "6", "0"].map((id) => `"${id}"`).join(" after ");
  assertEquals((await results(short, {}))[0], `0 skipped: Skipped because of a cycle: ${all}`);
  const tasks = Array.from({ length: 20 }, (_, index) => task(index, { after: (index + 1) % 20 }));
  const [first] = await results(tasks, {});
  const names = ["0", "1", "2", "3", "4", "5", "6"].map((id) => `"${id}"`);
  assertEquals(first, `0 skipped: Skipped because of a cycle: ${[...names, "…", '"0"'].join(" after ")}`);
});

test("of the tasks that can start, the one with the highest priority starts first, then the first one", async () => {
  const tasks = [
    task("a"),
    task("b", { priority: -1 }),
    task("c", { priority: 2 }),
    task("d"),
    task("e", { priority: 2 }),
  ];
  const executor = instantExecutor();
  await collect(run(tasks, { executor, concurrency: 1 }));
  assertEquals(startedIds(executor), ["c", "e", "a", "d", "b"]);
});

test("with estimateMs, the task with the longest remaining time starts first, after the priority", async () => {
  const tasks = [
    task("short"),
    task("unknown"),
    task("first of a chain"),
    task("second of a chain", { after: "first of a chain" }),
    task("long"),
    task("urgent", { priority: 1 }),
    { cmd: "x" },
  ];
  const times: Record<string, unknown> = {
    ...{ "short": 10, "first of a chain": 10, "second of a chain": 100, "long": 60, "urgent": 0 },
    ...{ "unknown": NaN, "7": 10_000, "no task": 1e9 },
  };
  const executor = instantExecutor();
  await collect(run(tasks, { executor, concurrency: 1, estimateMs: (id) => times[id] as number }));
  // The average is 36 ms.
  assertEquals(startedIds(executor), [
    "urgent",
    "first of a chain",
    "second of a chain",
    "long",
    "unknown",
    "7",
    "short",
  ]);
});

test("an error of estimateMs ends the run", async () => {
  const executor = instantExecutor();
  const error = new Error("no estimate");
  const estimateMs = () => {
    throw error;
  };
  const thrown = await assertRejects(() => collect(run([task("a", { priority: 1 })], { executor, estimateMs })), Error);
  assertEquals([thrown, executor.executions.length, executor.closed], [error, 0, 1]);
});

test("without a duration of any task, the order is that of the input", async () => {
  const executor = instantExecutor();
  const tasks = [task("a", { after: [] }), task("b"), task("c")];
  await collect(run(tasks, { executor, concurrency: 1, estimateMs: () => undefined }));
  assertEquals(startedIds(executor), ["a", "b", "c"]);
});

test("a task sees its units in variables", async () => {
  const executor = new FakeExecutor();
  const resources = { gpu: { units: 3, variable: "CUDA_VISIBLE_DEVICES" }, mem_gb: 1_001, license: 1_000 };
  const tasks = [
    task("a", { uses: { gpu: 2, mem_gb: 5 } }),
    task("b", { uses: { gpu: 1, license: 2 } }),
    task("c", { uses: { gpu: 0 } }),
    task("d", { uses: { gpu: 1 } }),
  ];
  const all = collect(run(tasks, {
    executor,
    concurrency: 4,
    resources,
    onAttemptStart: ({ id }) => id === "b" ? { env: { TASKRUNNER_LICENSE: "mine" } } : undefined,
  }));
  await waitFor("three attempts", () => executor.executions.length === 3);
  execution(executor, "a").end();
  await waitFor("the last attempt", () => executor.executions.length === 4);
  assertEquals(Object.fromEntries(executor.executions.map(({ attempt: { id, env } }) => [id, env])), {
    a: { TASKRUNNER_GPU: "0,1", CUDA_VISIBLE_DEVICES: "0,1" },
    b: { TASKRUNNER_GPU: "2", CUDA_VISIBLE_DEVICES: "2", TASKRUNNER_LICENSE: "mine" },
    c: undefined,
    d: { TASKRUNNER_GPU: "0", CUDA_VISIBLE_DEVICES: "0" },
  });
  for (const one of executor.executions) one.end();
  await all;
});

test("a task that can never start is refused", async () => {
  const refused: [Partial<Task>, string][] = [
    [{ slots: 3 }, 'Cannot read task 1: "slots" must be at most 2, the number of slots of the run, got 3'],
    [{ uses: { gpu: 2 } }, 'Cannot read task 1: "uses.gpu" must be at most 1, the units of the run, got 2'],
    [
      { uses: { cpu: 1 } },
      'Cannot read task 1: "uses.cpu" names a resource that the run does not have; the resources are: gpu, disk',
    ],
    [
      { uses: { cpu: 0 } },
      'Cannot read task 1: "uses.cpu" names a resource that the run does not have; the resources are: gpu, disk',
    ],
  ];
  for (const [fields, message] of refused) {
    const field = fields.slots ? "slots" : `uses.${Object.keys(fields.uses!)[0]}`;
    const executor = instantExecutor();
    const options = { executor, concurrency: 2, resources: { gpu: 1, disk: 1 } };
    const error = await assertRejects(() => collect(run([task("a", fields)], options)), InvalidTaskError);
    assertEquals([error.message, error.field, executor.executions.length], [message, field, 0]);
  }
  const error = await assertRejects(() => collect(run([task("a", { uses: { gpu: 1 } })], {})), InvalidTaskError);
  assert(error.message.endsWith("the resources are: none"), error.message);
});

for (const isStream of [false, true]) {
  test(`an id of two tasks is refused only if a task names it${isStream ? ", in a stream" : ""}`, async () => {
    const play = (tasks: Task[]) =>
      collect(run(isStream ? ReadableStream.from(tasks) : tasks, { executor: instantExecutor(), concurrency: 1 }));
    const other = task("other", { priority: 1 });
    assertEquals((await play([task("a"), task("a"), other])).length, 3);
    assertEquals((await play([other, task("a"), task("a")])).length, 3);
    for (
      const tasks of [[task("a"), task("a"), other, task("b", { after: "a" })], [
        task("a"),
        task("a"),
        task("b", { after: "a" }),
      ]]
    ) {
      const { message, field } = await assertRejects(() => play(tasks), InvalidTaskError);
      const number = tasks.length;
      assertEquals(field, "after");
      assertEquals(message, `Cannot read task ${number}: "after" names "a", which is the id of several tasks`);
    }
    for (
      const tasks of [[other, task("b", { after: "a" }), task("a"), task("a")], [
        task("a"),
        task("b", { after: "a" }),
        other,
        task("a"),
      ]]
    ) {
      const { message, field } = await assertRejects(() => play(tasks), InvalidTaskError);
      assertEquals(field, "id");
      const rest = 'the id "a" is also the id of an earlier task, and "after" of another task names it';
      assertEquals(message, `Cannot read task 4: ${rest}`);
    }
  });
}

test("a task with the id of another task neither frees its resources nor ends it", async () => {
  const executor = new FakeExecutor();
  const tasks = [
    task("failing"),
    task("holder", { uses: { gpu: 1 } }),
    task("twice", { uses: { gpu: 1 }, priority: -1 }),
    task("twice", { after: "failing" }),
    task("last", { priority: -2 }),
  ];
  const running = run(tasks, { executor, concurrency: 3, keepOrder: true, resources: { gpu: 1 } });
  const all = collect(running);
  await waitFor("the first attempts", () => executor.executions.length === 3);
  assertEquals(startedIds(executor), ["failing", "holder", "last"]);
  execution(executor, "failing").end({ status: 1 });
  execution(executor, "last").end();
  await settle();
  assertEquals(executor.executions.length, 3);
  running.drain();
  execution(executor, "holder").end();
  assertEquals((await all).map(summary), ["failing failed 1", "holder ok 1", "twice skipped 0", "last ok 1"]);
});

test("a stream's task that is skipped has its result before the next task is read", async () => {
  const executor = executorWith({ a: 1 });
  const { readable, add, end } = growingSource();
  const running = run(readable, { executor, concurrency: 2 });
  add(task("a"), task("b", { after: "a" }));
  assertEquals((await running.next()).value?.id, "a");
  assertEquals((await running.next()).value?.id, "b");
  add(task("c", { after: "a" }));
  assertEquals((await running.next()).value?.id, "c");
  end();
  assertEquals((await running.next()).done, true);
});

test("tasks that wait for a running task before the workflow are not stuck", async () => {
  const executor = new FakeExecutor();
  const tasks = [task("a"), task("b", { after: "a" }), task("c", { after: "a" }), task("d")];
  const all = collect(run(ReadableStream.from(tasks), { executor, concurrency: 2, maxWaiting: 2 }));
  await waitFor("the first attempt", () => executor.executions.length === 1);
  await settle();
  executor.onStart = (execution) => execution.end();
  execution(executor, "a").end();
  assertEquals((await all).map(summary), ["a ok 1", "b ok 1", "c ok 1", "d ok 1"]);
});

test("maxWaiting bounds what is read, and an error names what is missing when all tasks wait", async () => {
  const read: number[] = [];
  function* source(): Generator<Task> {
    for (let number = 1; number <= 5; number++) {
      read.push(number);
      yield task(number, { after: "later" });
    }
  }
  for (const [maxWaiting, limit, count] of [[3, "3 tasks", 3], [{ bytes: 450 }, "tasks of 450 bytes", 3]] as const) {
    read.length = 0;
    const executor = instantExecutor();
    const { message } = await assertRejects(
      () => collect(run(source(), { executor, concurrency: 2, maxWaiting })),
      Error,
    );
    assertEquals(
      message,
      `Cannot read further tasks: ${limit} wait for tasks that have not been read, such as "later"; put those first, or raise \
maxWaiting (--max-waiting)`,
    );
    assertEquals([read.length, executor.executions.length, executor.closed], [count, 0, 1]);
  }
});

test("cycles do not take up maxWaiting", async () => {
  const tasks = [
    ...[task("a", { after: "b" }), task("b", { after: "a" }), task("c", { after: "c" })],
    ...[task("d", { after: "f" }), task("e", { after: "a", runIf: "done" }), task("f")],
  ] as Task[];
  const all = await collect(run(tasks, { executor: instantExecutor(), concurrency: 2, maxWaiting: 2 }));
  assertEquals(all.map(summary).sort(), [
    ...["a skipped 0", "b skipped 0", "c skipped 0", "d ok 1", "e ok 1", "f ok 1"],
  ]);
});

test("a cycle that a task may join that has not been read is not decided before this task is read", async () => {
  const tasks = [
    task("a", { after: ["a", "c"] }),
    task("b", { after: "c" }),
    task("c", { after: ["a"], runIf: "failed" }),
  ];
  const play = (maxWaiting: number) =>
    collect(run(tasks, { executor: instantExecutor(), concurrency: 1, keepOrder: true, maxWaiting }));
  const error = await assertRejects(() => play(2), Error);
  assert(error.message.includes('such as "c"'), error.message);
  assertEquals((await play(3)).map(summary), ["a skipped 0", "b skipped 0", "c skipped 0"]);
});

test("after an error of the source, tasks that have not started do not start, and retries do", async () => {
  const executor = new FakeExecutor();
  const { promise, resolve } = Promise.withResolvers<void>();
  async function* source(): AsyncGenerator<Task> {
    yield task("running", { priority: 1, retries: 1 });
    yield task("ready", { slots: 2 });
    yield task("waiting", { after: "running" });
    await promise;
    throw new Error("source failed");
  }
  const running = run(source(), { executor, concurrency: 2, keepOrder: true });
  const ids: string[] = [];
  const all = (async () => {
    for await (const { id } of running) ids.push(id);
  })();
  await waitFor("the first attempt", () => executor.executions.length === 1);
  await settle();
  resolve();
  await settle();
  execution(executor, "running").end({ status: 1 });
  await waitFor("the second attempt", () => executor.executions.length === 2);
  execution(executor, "running").end();
  await assertRejects(() => all, Error, "source failed");
  assertEquals([ids, startedIds(executor)], [["running"], ["running", "running"]]);
});

test("a workflow that is drained and then canceled returns each task once", async () => {
  const executor = new FakeExecutor();
  const tasks = [task("a", { priority: 1 }), task("b", { after: "a" })];
  const controller = new AbortController();
  const running = run(tasks, { executor, concurrency: 2, signal: controller.signal });
  const results: string[] = [];
  const all = (async () => {
    for await (const result of running) results.push(summary(result));
  })();
  await waitFor("the attempt", () => executor.executions.length === 1);
  running.drain();
  controller.abort();
  await assertRejects(() => all, Error, "aborted");
  assertEquals(results, ["a canceled 1"]);
});

test("a workflow drops a task that arrives after the end of the run, and an error of its source", async () => {
  for (const isError of [false, true]) {
    const read = Promise.withResolvers<IteratorResult<Task>>();
    const values = [Promise.resolve({ done: false, value: task("a", { after: "b" }) }), read.promise];
    const executor = instantExecutor();
    const source = { [Symbol.asyncIterator]: () => ({ next: () => values.shift()! }) } as AsyncIterable<Task>;
    const running = run(source, { executor, concurrency: 2 });
    const all = collect(running);
    await waitFor("the second read", () => values.length === 0);
    await settle();
    running.drain();
    if (isError) read.reject(new Error("source failed"));
    else read.resolve({ done: false, value: task("b") });
    assertEquals([await all, executor.executions.length, executor.closed], [[], 0, 1]);
  }
});

test("a run that ends while the first task of a workflow is read runs nothing", async () => {
  const executor = instantExecutor();
  const { readable, add } = growingSource();
  const running = run(readable, { executor, concurrency: 2 });
  const all = collect(running);
  add(task("a", { priority: 1 }));
  running.drain();
  assertEquals([await all, executor.executions.length], [[], 0]);
});

test("an array whose elements throw is refused as other values", async () => {
  const hostile = Object.defineProperty({ cmd: "x" }, "after", {
    enumerable: true,
    get() {
      throw new Error("hostile");
    },
  });
  for (const tasks of [[hostile], [null], [5]] as unknown as Task[][]) {
    await assertRejects(() => collect(run(tasks, { executor: instantExecutor() })), Error);
  }
});

test("endless durations keep the order of the input", async () => {
  const tasks = Array.from({ length: 9 }, (_, index) => task(index, { priority: 0 }));
  const executor = instantExecutor();
  const estimateMs = (id: string) => Number(id) % 2 === 0 ? Infinity : 1e308;
  await collect(run(tasks, { executor, concurrency: 1, estimateMs }));
  assertEquals(startedIds(executor).join(" "), "0 2 4 6 8 1 3 5 7");
});

test("an array that gets a task with prerequisites after its run has begun runs to its end", async () => {
  const executor = new FakeExecutor();
  const tasks = [task("a"), task("b"), { cmd: "x" }];
  const running = run(tasks, { executor, concurrency: 4, retry: 1 });
  tasks.push(task("c", { after: "b" }));
  const all = collect(running);
  await waitFor("three attempts", () => executor.executions.length === 3);
  await settle();
  for (const one of executor.executions.slice()) one.end({ status: 1 });
  await waitFor("the retries", () => executor.executions.length === 6);
  executor.onStart = (execution) => execution.end();
  for (const one of executor.executions.slice(3)) one.end();
  // The tasks before the first one with prerequisites are unknown to the workflow, because the array had no such task.
  assertEquals((await all).map(summary).sort(), ["3 ok 2", "a ok 2", "b ok 2", "c skipped 0"]);
});

test("a retry starts after an error of the source, even if the source is read to its end first", async () => {
  const executor = new FakeExecutor();
  function* source(): Generator<Task> {
    yield task("a", { retries: 1 });
    yield task("b", { after: "a" });
    throw new Error("source failed");
  }
  const facts = { isWorkflow: true, isReadFirst: true };
  const options = { concurrency: 1, maxWaiting: 2, retry: { delayMs: 1 } };
  const all = collect(new PooledRun(source(), options, executor, facts));
  await waitFor("the first attempt", () => executor.executions.length === 1);
  execution(executor, "a").end({ status: 1 });
  await waitFor("the second attempt", () => executor.executions.length === 2);
  execution(executor, "a").end();
  await assertRejects(() => all, Error, "source failed");
});

/** Fails to return the task of a node. */
class FailingTasks extends MemoryTasks {
  readonly #failsAt: number;
  #taken = 0;

  constructor(failsAt: number) {
    super();
    this.#failsAt = failsAt;
  }

  override take(node: number): CheckedTask {
    if (this.#taken++ === this.#failsAt) throw new Error("the file has changed");
    return super.take(node);
  }
}

test("a held task that cannot be read ends the run, and results are not lost", async () => {
  const tasks = [task("skipped", { after: "a" }), task("a"), task("b"), task("c", { after: "b" })];
  for (const failsAt of [0, 1, 2, 3]) {
    const held = new FailingTasks(failsAt);
    const executor = executorWith({ a: 1 });
    const facts = { isWorkflow: true, isReadFirst: true, held };
    const running = new PooledRun(tasks, { concurrency: 2, keepOrder: true }, executor, facts);
    const ids: string[] = [];
    const error = await assertRejects(async () => {
      for await (const { id } of running) ids.push(id);
    }, Error);
    assertEquals([error.message, ids.length], [
      "the file has changed",
      executor.executions.length + (failsAt === 3 ? 1 : 0),
    ]);
  }
});

test("a task whose recorded result stays and that cannot be read ends the run", async () => {
  const recorded = { outcomeOf: () => "skipped" as const };
  const facts = { isWorkflow: true, isReadFirst: true, held: new FailingTasks(0) };
  const running = new PooledRun([task("a", { after: "b" })], { concurrency: 1, recorded }, instantExecutor(), facts);
  await assertRejects(() => collect(running), Error, "the file has changed");
});

test("a held task that cannot be read ends a run whose workflow has just begun", async () => {
  const facts = { isWorkflow: undefined, isReadFirst: false, held: new FailingTasks(0) };
  const running = new PooledRun([task("a", { priority: 1 })], { concurrency: 2 }, instantExecutor(), facts);
  await assertRejects(() => collect(running), Error, "the file has changed");
});

test("retries start although no further task may start", async () => {
  const count = 1_010;
  const executor = executorWith(Object.fromEntries(Array.from({ length: count }, (_, index) => [index, 1])));
  const tasks = Array.from({ length: count }, (_, index) => task(index, { priority: 0 }));
  const all = await collect(run(tasks, { executor, concurrency: 4, retry: { limit: 1, delayMs: 200 } }));
  assertEquals(all.filter(({ outcome, attempts }) => outcome === "ok" && attempts === 2).length, count);
});

test("a retry that holds up the results of all other tasks starts", async () => {
  const count = 1_010;
  const executor = new FakeExecutor();
  executor.onStart = (execution) => {
    const { id, number } = execution.attempt;
    if (id !== "first" || number > 1) execution.end();
  };
  const tasks = [task("first", { slots: 2 }), ...Array.from({ length: count }, (_, index) => task(index))];
  const options: RunOptions = { executor, concurrency: 4, keepOrder: true, retry: { limit: 1, delayMs: 1 } };
  const all = collect(run(tasks, { ...options, maxWaiting: 1_000 }));
  await waitFor("999 results", () => executor.executions.length >= 1_000);
  execution(executor, "first").end({ status: 1 });
  assertEquals((await all).length, count + 1);
});

test("tasks with the same id that started before the workflow are retried each", async () => {
  const executor = new FakeExecutor();
  const { readable, add, end } = growingSource();
  const running = run(readable, { executor, concurrency: 4, retry: 1, estimateMs: () => 5 });
  const all = collect(running);
  add(task("a"), task("a"), { cmd: "x" }, task("b", { slots: 3 }));
  end();
  await waitFor("three attempts", () => executor.executions.length === 3);
  await settle();
  running.concurrency = 1;
  const [one, other, last] = executor.executions as [FakeExecution, FakeExecution, FakeExecution];
  executor.onStart = (execution) => execution.end();
  for (const execution of [one, other]) execution.end({ status: 1 });
  await settle(); // both retries wait for the slot
  last.end({ status: 1 });
  assertEquals((await all).map(summary).sort(), ["3 ok 2", "a ok 2", "a ok 2", "b ok 1"]);
});

test("a task that started before the workflow decides its dependents, retries included", async () => {
  for (const [status, expected] of [[0, "ok"], [1, "skipped"]] as const) {
    const executor = new FakeExecutor();
    const { readable, add, end } = growingSource();
    const all = collect(run(readable, { executor, concurrency: 3, retry: { limit: 1 } }));
    add({ cmd: "x" }, task("a"), task("b"), task("c", { after: ["a", "b"] }));
    await waitFor("three attempts", () => executor.executions.length === 3);
    const [none, a, b] = executor.executions as [FakeExecution, FakeExecution, FakeExecution];
    none.end();
    b.end();
    await settle();
    a.end({ status: 1 });
    await waitFor("the second attempt", () => executor.executions.length === 4);
    executor.onStart = (execution) => execution.end();
    execution(executor, "a").end({ status });
    end();
    assertEquals((await all).find(({ id }) => id === "c")!.outcome, expected);
  }
});

test("a drain during which the callback changes the concurrency loses no task that waits for a retry", async () => {
  const executor = new FakeExecutor();
  const clock = new FakeClock();
  await clock.during(async () => {
    let isEnding = false;
    const tasks = [task("a"), task("b"), task("without memory", { priority: 1 })];
    const running = run(tasks, {
      executor,
      concurrency: 3,
      retry: 1,
      onProgress: () => {
        if (isEnding) running.concurrency = 3;
      },
    });
    executor.onStart = (execution) => {
      const { id } = execution.attempt;
      if (id === "without memory") execution.end({ ending: { kind: "no-resources", reason: "no memory" } });
    };
    const ids: string[] = [];
    const all = (async () => {
      for await (const result of running) ids.push(summary(result));
    })();
    let isClosed = false;
    const close = () => isClosed = true;
    running.closed.then(close, close);
    const rejection = assertRejects(() => all, ResourceShortageError, "no memory");
    await clock.advance(100);
    running.concurrency = 1;
    for (const id of ["a", "b"]) execution(executor, id).end({ status: 1 });
    await clock.advance(5_000);
    isEnding = true;
    await clock.advance(10_000);
    assert(isClosed);
    await rejection;
    assertEquals(ids.sort(), ["a canceled 1", "b canceled 1"]);
  });
});

test("results that wait for a task whose recorded result stays are delivered", async () => {
  const outcomes: Record<string, Outcome> = { a: "skipped", b: "failed", e: "skipped", f: "failed" };
  const { readable, add, end } = growingSource();
  const recorded = { outcomeOf: (id: string) => outcomes[id] };
  const executor = instantExecutor();
  const all = collect(run(readable, { executor, concurrency: 1, keepOrder: true, recorded }));
  add(task("a", { after: "b" }), task("c"), task("d", { after: "c", runIf: "failed" }), task("e", { after: "f" }));
  await waitFor("the attempt", () => executor.executions.length === 1);
  await settle();
  end();
  assertEquals((await all).map(summary), ["c ok 1", "d skipped 0"]);
});

test("a run with a lower concurrency than the slots of a task runs this task alone", async () => {
  const executor = new FakeExecutor();
  const running = run([task("a", { slots: 3 }), task("b")], { executor, concurrency: 3 });
  running.concurrency = 1;
  const all = collect(running);
  for (const id of ["a", "b"]) {
    await waitFor(`the attempt of ${id}`, () => executor.executions.at(-1)?.attempt.id === id);
    await settle();
    assertEquals(executor.executions.at(-1)!.attempt.id, id);
    executor.executions.at(-1)!.end();
  }
  assertEquals((await all).map(summary), ["a ok 1", "b ok 1"]);
});

test("a halt counts no skipped task", async () => {
  const tasks = [task("a"), task("b", { after: "a" }), task("c", { after: "b" }), task("d"), task("e")];
  const on = async (on: "fail" | "done", count: number) => {
    const running = run(tasks, { executor: executorWith({ a: 1 }), concurrency: 1, halt: { on, count, when: "soon" } });
    return (await collect(running)).map(summary);
  };
  const all = ["a failed 1", "b skipped 0", "c skipped 0", "d ok 1", "e ok 1"];
  assertEquals(await on("fail", 2), all);
  assertEquals(await on("done", 2), all.slice(0, 4));
  assertEquals(await on("fail", 1), all.slice(0, 1));
});

test("a skipped task counts as finished in the progress, and not as failed", async () => {
  const reports: string[] = [];
  await results([task("a"), task("b", { after: "a" })], { a: 1 }, {
    onProgress: ({ finished, failed, running, retrying, total }) =>
      reports.push(`${finished}/${total}, ${failed} failed, ${running} running, ${retrying} retrying`),
  });
  assertEquals(reports, [
    "0/2, 0 failed, 1 running, 0 retrying",
    "1/2, 1 failed, 0 running, 0 retrying",
    "2/2, 1 failed, 0 running, 0 retrying",
  ]);
});
