import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import fc from "fast-check";
import { ExecutorError, run, type RunOptions, type Task, TaskAbortError, type TaskResult } from "../../mod.ts";
import { PooledRun } from "../../pool/run.ts";
import { QueuedTaskPool } from "../../pool/task_pool.ts";
import "../../pool/workflow/workflow_feed.ts"; // so that a run loads it without delay
import { FakeClock } from "../support/fake_clock.ts";
import { EFFORT, SEED, TIMEOUT } from "../support/helpers.ts";
import { QueueingExecutor } from "../support/queueing_executor.ts";
import { test } from "../support/test.ts";

/** A run with its executor, by a clock of its own. */
interface Bench {
  executor: QueueingExecutor;
  clock: FakeClock;
  running: PooledRun;
  results: TaskResult[];
  /** Ends the running attempt of a task, and waits until the pool has reacted. */
  end: (id: string | number, status?: number) => Promise<void>;
}

const tasksOf = (count: number): Task[] => Array.from({ length: count }, (_, index) => ({ cmd: "x", id: index + 1 }));
const idsOf = (executions: QueueingExecutor["running"]) => executions.map(({ attempt: { id } }) => Number(id));

/** Runs tasks, and gives control to a test when the first attempts have started. */
async function withRun(
  tasks: Task[] | AsyncIterable<Task>,
  options: RunOptions,
  play: (bench: Bench) => Promise<void>,
): Promise<TaskResult[]> {
  const clock = new FakeClock();
  const executor = new QueueingExecutor();
  const results: TaskResult[] = [];
  await clock.during(async () => {
    const running = new PooledRun(tasks, { concurrency: 2, ...options }, executor);
    const all = (async () => {
      for await (const result of running) results.push(result);
    })();
    all.catch(() => {}); // handled at the end
    const end = async (id: string | number, status = 0) => {
      executor.running.find(({ attempt }) => attempt.id === `${id}`)!.end({ status });
      await clock.advance(0);
    };
    await clock.advance(0);
    await play({ executor, clock, running, results, end });
    await all;
  });
  assertEquals(executor.violations, []);
  return results;
}

/** Ends all attempts, in the order of their starts. */
async function finish({ executor, end }: Bench): Promise<void> {
  for (let first = executor.running[0]; first; first = executor.running[0]) await end(first.attempt.id);
}

test("once attempts are known to be short, another one waits behind each running one", async () => {
  await withRun(tasksOf(9), {}, async (bench) => {
    const { executor, end } = bench;
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[1, 2], []]);
    await end(1);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[3, 2], [5, 4]]);
    await end(2);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[3, 4], [5, 6]]);
    await finish(bench);
  });
});

test("no attempt waits where a result or the time of a start matters", async () => {
  const unsuitable: RunOptions[] = [
    { concurrency: 1 },
    { halt: { when: "soon", on: "fail", count: 1 } },
    { onAttemptStart: () => undefined },
    { startDelayMs: 1 },
  ];
  for (const options of unsuitable) {
    await withRun(tasksOf(9), options, async (bench) => {
      const { executor, clock, end } = bench;
      for (let ended = 1; ended <= 9; ended++) {
        await clock.advance(2);
        await end(executor.running[0]!.attempt.id);
        assertEquals(executor.queued, []);
      }
    });
  }
  await withRun(tasksOf(9).map((task) => ({ ...task, priority: 1 })), {}, async (bench) => {
    for (let turn = 0; turn < 5; turn++) await bench.clock.advance(0);
    await bench.end(1);
    assertEquals(bench.executor.queued, []);
    await finish(bench);
  });
});

test("no attempt waits behind attempts that take long", async () => {
  await withRun(tasksOf(9), {}, async (bench) => {
    const { executor, clock } = bench;
    executor.running[0]!.end({ durationMs: 21 });
    await clock.advance(0);
    assertEquals([idsOf(executor.running), executor.queued], [[3, 2], []]);
    await finish(bench);
  });
});

test("a free slot takes an attempt that waits behind a slow one, and starts it once", async () => {
  const results = await withRun(tasksOf(6), {}, async (bench) => {
    const { executor, end } = bench;
    await end(1);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[3, 2], [5, 4]]);
    for (const id of [3, 5, 6]) await end(id); // 2 stays
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[4, 2], []]);
    await end(4);
    await end(2);
    assertEquals(executor.executions.filter(({ attempt }) => attempt.id === "4").length, 2);
  });
  assertEquals(
    results.map(({ id, slot }) => [id, slot]),
    [["1", 1], ["3", 1], ["5", 1], ["6", 1], ["4", 1], ["2", 2]],
  );
});

test("while there are further tasks, an attempt behind a slow one starts before them", async () => {
  await withRun(tasksOf(12), {}, async (bench) => {
    const { executor, clock, end } = bench;
    await end(1);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[3, 2], [5, 4]]);
    await end(3);
    assertEquals(idsOf(executor.queued), [6, 4]);
    await clock.advance(5);
    await end(5);
    assertEquals([idsOf(executor.running), executor.queued], [[6, 2], []]);
    await end(6);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[4, 2], [7]]);
    await finish(bench);
  });
});

test("an attempt never waits for a later task, which may itself wait for that attempt", async () => {
  await withRun(tasksOf(12), {}, async (bench) => {
    const { executor, clock, end } = bench;
    await end(1);
    await clock.advance(5);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[3, 2], [5, 4]]);
    await end(3);
    assertEquals([idsOf(executor.running), executor.queued], [[5, 2], []]); // 4 needs a free slot
    await end(2);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[5, 4], [6, 7]]);
    await finish(bench);
  });
});

test("a retry never waits for a later task", async () => {
  await withRun(tasksOf(12), { retry: 1 }, async (bench) => {
    const { executor, end } = bench;
    await end(1);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[3, 2], [5, 4]]);
    await end(3, 1);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[5, 2], [4]]);
    await end(5);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[3, 2], [6, 4]]);
    await finish(bench);
  });
});

test("a free slot takes an attempt that waits when the source yields nothing for a moment", async () => {
  const rest = Promise.withResolvers<IteratorResult<Task>>();
  const values = tasksOf(5).map(({ cmd }) => Promise.resolve({ done: false, value: { cmd } }));
  const source = { [Symbol.asyncIterator]: () => ({ next: () => values.shift() ?? rest.promise }) };
  await withRun(source as AsyncIterable<Task>, {}, async (bench) => {
    const { executor, clock, end } = bench;
    await end(1);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[3, 2], [5, 4]]);
    await end(3);
    await end(5);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[2], [4]]);
    await clock.advance(1);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[4, 2], []]);
    rest.resolve({ done: true, value: undefined });
    await clock.advance(0);
    await finish(bench);
  });
});

test("a drained, stopped or canceled run starts no attempt that waits", async () => {
  for (const isStopped of [false, true]) {
    const stop = new AbortController();
    const seen: string[] = [];
    await withRun(tasksOf(9), { signal: stop.signal }, async (bench) => {
      const { executor, running, end, results } = bench;
      await end(1);
      if (isStopped) stop.abort(new Error("stopped"));
      else running.drain();
      assertEquals(executor.queued, []);
      await bench.clock.advance(0);
      await finish(bench);
      seen.push(...results.map(({ id, outcome }) => `${id} ${outcome}`));
    }).catch(({ message }) => assertEquals(message, "stopped"));
    assertEquals(seen, isStopped ? ["1 ok", "3 canceled", "2 canceled"] : ["1 ok", "3 ok", "2 ok"]);
  }
});

test("an attempt that has begun when the run ends is terminated as others", async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  await withRun(tasksOf(9), { signal: stop.signal }, async ({ executor, clock, end, results }) => {
    await end(1);
    executor.running[0]!.end(); // the pool does not know yet
    stop.abort(new Error("stopped"));
    await clock.advance(0);
    seen.push(...results.map(({ id, outcome }) => `${id} ${outcome}`));
  }).catch(({ message }) => assertEquals(message, "stopped"));
  assertEquals(seen.sort(), ["1 ok", "2 canceled", "3 ok", "5 canceled"]);
});

test("after a change of the concurrency, attempts that wait start in order in the slots that there are", async () => {
  const results = await withRun(tasksOf(20), { concurrency: 4 }, async (bench) => {
    const { executor, running, end } = bench;
    await end(1);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[5, 2, 3, 4], [9, 6, 7, 8]]);
    running.concurrency = 2;
    await bench.clock.advance(0);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[5, 2, 3, 4], []]);
    for (const id of [2, 3, 4]) await end(id);
    assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[5, 6], [7]]);
    await finish(bench);
  });
  assert(results.slice(4).every(({ slot }) => slot <= 2));
});

test("a canceled task whose attempt waits never begins, and one whose attempt has begun is terminated", async () => {
  for (const state of ["queued", "withdrawn", "begun"]) {
    const clock = new FakeClock();
    const executor = new QueueingExecutor();
    await clock.during(async () => {
      const pool = new QueuedTaskPool({ concurrency: 2 }, () => executor, true);
      const stop = new AbortController();
      const rest = [1, 2, 3].map((id) => pool.run({ cmd: "x", id }));
      const canceled = pool.run({ cmd: "x", id: 4 }, { signal: stop.signal });
      const rejection = assertRejects(() => canceled, TaskAbortError);
      await clock.advance(0);
      const [first] = executor.running;
      first!.end();
      await clock.advance(0);
      assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[3, 2], [4]]);
      if (state === "begun") executor.running[1]!.end(); // the pool does not know yet
      if (state === "withdrawn") pool.concurrency = 1;
      stop.abort();
      const { result } = await rejection;
      assertEquals([result?.outcome, executor.queued], [state === "begun" ? "canceled" : undefined, []]);
      for (const execution of executor.running) execution.end();
      assertEquals((await Promise.all(rest)).map(({ outcome }) => outcome), ["ok", "ok", "ok"]);
      await pool.close();
    });
    assertEquals(executor.violations, []);
  }
});

test("an executor of the caller can queue attempts, and an error of tryWithdraw() ends the run", async () => {
  for (const fails of [false, true]) {
    const clock = new FakeClock();
    const executor = new QueueingExecutor();
    const results: string[] = [];
    await clock.during(async () => {
      const running = run(tasksOf(4), { executor, concurrency: 2 });
      const all = (async () => {
        for await (const { id, outcome } of running) results.push(`${id} ${outcome}`);
      })();
      const ended = fails ? assertRejects(() => all, ExecutorError, "broken") : all;
      await clock.advance(0);
      executor.running[0]!.end();
      await clock.advance(0);
      assertEquals([idsOf(executor.running), idsOf(executor.queued)], [[3, 2], [4]]);
      if (fails) {
        executor.queued[0]!.tryWithdraw = () => {
          throw new Error("broken");
        };
      }
      executor.running[0]!.end();
      await clock.advance(0);
      assertEquals(idsOf(executor.running), fails ? [2] : [4, 2]);
      while (executor.running[0]) {
        executor.running[0].end();
        await clock.advance(0);
      }
      await ended;
    });
    assertEquals(results.toSorted(), ["1 ok", "2 ok", "3 ok", "4 ok"]);
  }
});

test("in any schedule, each task runs once, and at most one waits for a busy slot, only behind an earlier one", {
  timeout: TIMEOUT.timeout * EFFORT,
}, async () => {
  const actions = fc.array(
    fc.tuple(fc.constantFrom("end", "end", "end", "slow", "wait", "fail", "concurrency"), fc.nat(99)),
    {
      maxLength: 80,
    },
  );
  const property = fc.asyncProperty(
    actions,
    fc.integer({ min: 1, max: 4 }),
    fc.nat(30),
    async (actions, slots, count) => {
      const ran = new Map<string, number>();
      const results = await withRun(tasksOf(count), { concurrency: slots, retry: 1 }, async (bench) => {
        const { executor, clock, running } = bench;
        executor.onStart = ({ attempt: { id, number } }) =>
          ran.set(`${id}.${number}`, (ran.get(`${id}.${number}`) ?? 0) + 1);
        for (const { attempt: { id } } of executor.running) ran.set(`${id}.1`, 1);
        const check = () => {
          assert(executor.running.length <= Math.max(slots, running.concurrency));
          assert(executor.queued.length === 0 || executor.running.length >= running.concurrency);
        };
        for (const [action, number] of actions) {
          const attempt = executor.running[number % Math.max(1, executor.running.length)];
          if (action === "concurrency") running.concurrency = 1 + number % slots;
          else if (action === "wait") await clock.advance(number % 12);
          else attempt?.end({ status: action === "fail" ? 1 : 0, durationMs: action === "slow" ? 60 : 1 });
          if (number % 3 > 0) await clock.advance(1); // otherwise the pool learns of several events at once
          if (number % 3 > 0) check();
        }
        await clock.advance(1);
        await finish(bench);
      });
      assertEquals(
        results.map(({ id }) => Number(id)).sort((a, b) => a - b),
        tasksOf(count).map(({ id }) => id as number),
      );
      assertEquals([...ran.values()].filter((times) => times !== 1), []);
    },
  );
  await fc.assert(property, { numRuns: 200 * EFFORT, seed: SEED });
});
