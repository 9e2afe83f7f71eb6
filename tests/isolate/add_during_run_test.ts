/** Tests of `TaskRunner.add` during a run. */

import { existsSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { ExecutorError, type ExecutorFactory, type Run, TaskRunner } from "../../mod.ts";
import { executorFactory } from "../fixtures/fixed_status.ts";
import { FakeExecutor } from "../support/fake_executor.ts";
import { collect, EFFORT, lacks, scaledCount, SEED, shell, waitFor, withTempDirectory } from "../support/helpers.ts";
import { eitherWay, runnerOf, withVariable } from "../support/task_runners.ts";
import { test } from "../support/test.ts";

const REFUSED = "Cannot add a task: the run is ending";
/** Starts no processes; each task ends at once. */
const instant = executorFactory({ status: 0 });

/** Lets the event loop handle what is pending. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

eitherWay("runs tasks that onResult adds, and counts them", async (isolate) => {
  const runner = runnerOf([{ cmd: "echo 1" }], { isolate, concurrency: 2 });
  const seen: string[] = [];
  const summary = await runner.runAndWait(async ({ id, stdout }, completed, total) => {
    seen.push(`${id}=${stdout.trim()} ${completed}/${total}`);
    await turn();
    if (completed < 5) runner.add({ cmd: `echo ${completed + 1}` });
    assertEquals(runner.size, Math.min(completed + 1, 5));
  });
  assertEquals(seen, ["1=1 1/1", "2=2 2/2", "3=3 3/3", "4=4 4/4", "5=5 5/5"]);
  assertEquals([summary.total, summary.counts, runner.size], [5, { ok: 5 }, 0]);
});

eitherWay("runs tasks that a loop over the results adds", async (isolate) => {
  for (const keepOrder of [true, false]) {
    const runner = runnerOf([{ id: "a", cmd: "true" }], { isolate, concurrency: 3, keepOrder });
    const ids: string[] = [];
    for await (const { id } of runner.results()) {
      ids.push(id);
      if (id.length < 4) { for (const letter of ["a", "b"]) runner.add(id + letter, "true"); }
    }
    const expected = ["a", "aa", "ab", "aaa", "aab", "aba", "abb"];
    for (const id of expected.slice(3)) expected.push(`${id}a`, `${id}b`);
    assertEquals(keepOrder ? ids : ids.sort(), keepOrder ? expected : expected.sort());
  }
});

eitherWay("starts tasks that a timer adds while the caller waits for a result", async (isolate) => {
  await withTempDirectory(async (directory) => {
    // The first task ends only after the second one, so the second one must start without a result before.
    const runner = runnerOf([{ id: "first", cmd: `until [ -e ${directory}/on ]; do sleep 0.01; done` }], {
      isolate,
      concurrency: 2,
    });
    const results = runner.results();
    const first = results.next();
    await turn();
    setTimeout(() => runner.add("second", `touch ${directory}/on`));
    await first;
    assertEquals((await collect(results)).length, 1);
  });
});

eitherWay("starts tasks in the order in which they were added", async (isolate) => {
  await withTempDirectory(async (directory) => {
    const runner = new TaskRunner({ isolate, concurrency: 1 });
    const add = (id: number) => runner.add(`${id}`, `echo ${id} >> ${directory}/order`);
    for (let id = 1; id <= 5; id++) add(id);
    await runner.runAndWait((_, completed) => {
      if (completed <= 5) add(completed + 5);
    });
    const order = (await readFile(join(directory, "order"), "utf8")).trim().split("\n").map(Number);
    assertEquals(order, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});

eitherWay("runs tasks that are added between results() and next()", async (isolate) => {
  const runner = new TaskRunner({ isolate, concurrency: 1 });
  const results = runner.results();
  runner.add("a", "true");
  assertEquals((await collect(results)).map(({ id }) => id), ["a"]);
  const empty = runner.results();
  assertEquals((await empty.next()).done, true);
  await empty.closed;
  runner.add("b", "true");
  assertEquals((await runner.runAndWait()).total, 1);
});

test("TaskRunner starts no process for a run without tasks", async () => {
  const executor: ExecutorFactory = { ...instant, module: "file:///missing.ts" };
  const runner = new TaskRunner({ executor });
  assertEquals((await runner.runAndWait()).total, 0);
  runner.add("a", "true");
  await assertRejects(() => runner.runAndWait(), Error, "missing.ts");
  const signal = AbortSignal.abort(new RangeError("enough"));
  const aborted = new TaskRunner({ executor, signal });
  await assertRejects(() => aborted.runAndWait(), RangeError, "enough");
  assertThrows(
    () => {
      aborted.results();
      aborted.add("a", "true");
    },
    Error,
    REFUSED,
  );
  await aborted[Symbol.asyncDispose]();
});

eitherWay("counts the added tasks in the progress, and not for a halt at a percentage", async (isolate) => {
  const totals = new Set<number | undefined>();
  const runner = runnerOf(Array.from({ length: 4 }, () => ({ cmd: "exit 1" })), {
    isolate,
    concurrency: 1,
    halt: { percent: 50 },
    onProgress: ({ total }) => totals.add(total),
  });
  const results = runner.results();
  let taken = 0;
  for await (const { id } of results) {
    if (++taken === 1) { for (let i = 0; i < 20; i++) runner.add({ cmd: "exit 1" }); }
    if (results.haltedBy?.id === id) assertThrows(() => runner.add("late", "true"), Error, REFUSED);
  }
  assertEquals(results.haltedBy?.id, "2");
  assert(totals.has(24) && [...totals].every((total) => total === 4 || total === 24), [...totals].join());
});

eitherWay("runs large tasks that are added", async (isolate) => {
  const runner = runnerOf([{ cmd: "wc -c" }], { isolate, concurrency: 2 });
  const sizes: number[] = [];
  await runner.runAndWait(({ stdout }, completed) => {
    sizes.push(Number(stdout));
    if (completed <= 4) runner.add({ cmd: "wc -c", stdin: "é".repeat(500_000 + completed) });
  });
  assertEquals(sizes, [0, 1_000_002, 1_000_004, 1_000_006, 1_000_008]);
});

test("TaskRunner runs a task that is added while the tasks before are written to the file", async () => {
  await withTempDirectory(async (directory) => {
    await withVariable("TMPDIR", directory, async () => {
      const stdin = "x".repeat(2 ** 20);
      const runner = runnerOf(Array.from({ length: 30 }, () => ({ cmd: "true", stdin })), { executor: instant });
      const results = runner.results();
      const first = results.next();
      const fileBytes = () => {
        const [name] = readdirSync(directory);
        return name === undefined
          ? 0
          : statSync(join(directory, name, "tasks.jsonl"), { throwIfNoEntry: false })?.size ?? 0;
      };
      while (fileBytes() === 0) await turn();
      runner.add("added", "true");
      assert(fileBytes() < 30 * stdin.length);
      const ids = [(await first).value!.id, ...(await collect(results)).map(({ id }) => id)];
      assert(ids.length === 31 && ids.includes("added"), ids.join());
    });
  });
});

eitherWay("runs 10,000 tasks that are added one by one and at once", async (isolate) => {
  const runner = runnerOf([{ cmd: "true" }], { isolate, concurrency: 4, executor: instant });
  const ids = new Set<string>();
  let wasAdded = false;
  const { total } = await runner.runAndWait(async ({ id }) => {
    ids.add(id);
    if (wasAdded) return;
    wasAdded = true;
    for (let count = 0; count < 5_000; count++) runner.add({ cmd: "true" });
    for (let count = 0; count < 5_000; count++) {
      runner.add({ cmd: "true" });
      if (count % 100 === 0) await turn();
    }
  });
  assertEquals([total, ids.size], [10_001, 10_001]);
});

eitherWay("takes no tasks at the end of a run, and tasks for the next run after that", async (isolate) => {
  const ways: Record<string, (results: Run, runner: TaskRunner, stop: AbortController) => unknown> = {
    "drain()": (results) => results.drain(),
    "kill()": (results) => results.kill(),
    "return()": (results) => results.return(),
    "disposal": (_, runner) => runner[Symbol.asyncDispose](),
    "abort": (_results, _runner, stop) => stop.abort(new RangeError("enough")),
  };
  for (const [name, end] of Object.entries(ways)) {
    for (const isRunning of [false, true]) {
      await withTempDirectory(async (directory) => {
        const stop = new AbortController();
        const cmd = `touch ${directory}/on; until [ -e ${directory}/off ]; do sleep 0.01; done`;
        const runner = runnerOf([{ cmd }], { isolate, concurrency: 1, signal: stop.signal });
        const results = runner.results();
        const first = isRunning ? results.next().catch(() => {}) : undefined;
        if (isRunning) await waitFor("the task", () => existsSync(join(directory, "on")));
        runner.add("second", "true");
        const ended = end(results, runner, stop);
        assertThrows(() => runner.add("third", "true"), Error, REFUSED);
        await writeFile(join(directory, "off"), "");
        await first;
        const rest = await collect(results).catch((error) => error);
        assert(rest instanceof RangeError === (name === "abort"), `${name}, running: ${isRunning}: ${rest}`);
        await ended;
        await results.closed;
        runner.add("fourth", "true");
        assertEquals(runner.size, 1);
      });
    }
  }
});

eitherWay("takes no tasks after the caller has asked for a result when all are there", async (isolate) => {
  const closing = Promise.withResolvers<void>();
  const create: ExecutorFactory["create"] = (settings) =>
    Object.assign(instant.create(settings), { close: () => closing.promise });
  const runner = runnerOf([{ cmd: "true" }], { isolate, executor: { ...instant, create } });
  const results = runner.results();
  await results.next();
  runner.add("second", "true");
  await results.next();
  const last = results.next();
  await turn();
  assertThrows(() => runner.add("third", "true"), Error, REFUSED);
  closing.resolve();
  assertEquals((await last).done, true);
});

eitherWay("takes no tasks while results of a drained run are left", async (isolate) => {
  const tasks = Array.from({ length: 4 }, () => ({ cmd: "true" }));
  const runner = runnerOf(tasks, { isolate, concurrency: 4, executor: instant });
  const results = runner.results();
  let isClosed = false;
  results.closed.then(() => isClosed = true, () => {});
  await results.next();
  results.drain();
  let left = 0;
  do {
    for (let turns = 0; turns < 10; turns++) await turn();
    assertEquals(isClosed, false);
    assertThrows(() => runner.add("late", "true"), Error, REFUSED);
    left++;
  } while (!(await results.next()).done);
  runner.add("next", "true"); // at once, without waiting for `closed`
  assertEquals([isClosed, left > 1, runner.size], [true, true, 1]);
});

eitherWay("takes no tasks after a failure", async (isolate) => {
  let refusal: unknown;
  const runner: TaskRunner = runnerOf([{ cmd: "true" }, { cmd: "true" }], {
    isolate,
    onProgress() {
      // The run learns of the error before the microtask.
      queueMicrotask(() => {
        try {
          runner.add("late", "true");
        } catch (error) {
          refusal ??= error;
        }
      });
      throw new RangeError("enough");
    },
  });
  await assertRejects(() => runner.runAndWait(), RangeError, "enough");
  runner.add("next", "true");
  assertMatch(String(refusal), new RegExp(REFUSED));
});

eitherWay("can be aborted while tasks are added", async (isolate) => {
  const stop = new AbortController();
  const runner = runnerOf([{ cmd: "true" }], { isolate, concurrency: 2, signal: stop.signal });
  const ids: string[] = [];
  let added = 1;
  let refused = 0;
  const running = runner.runAndWait(async ({ id }) => {
    ids.push(id);
    for (let count = 0; count < 5; count++) {
      try {
        runner.add({ cmd: "true" });
        added++;
      } catch (error) {
        assertMatch(String(error), new RegExp(REFUSED));
        refused++;
      }
    }
    if (ids.length === 10) stop.abort(new RangeError("enough"));
    await turn();
  });
  await assertRejects(() => running, RangeError, "enough");
  assert(added === 51 && ids.length >= 10 && ids.length <= added && refused === 5 * (ids.length - 10), `${added}`);
  assertEquals(new Set(ids).size, ids.length);
});

test("TaskRunner reports the end of its process while tasks are added, and can run again", async () => {
  await withTempDirectory(async (directory) => {
    const runner = runnerOf([{ id: "pid", cmd: ["sh", "-c", "echo $PPID"] }], { concurrency: 1, executor: "process" });
    let given = 0;
    const running = runner.runAndWait(async ({ id, stdout }) => {
      given++;
      if (id === "pid") process.kill(Number(stdout), "SIGKILL");
      for (let count = 0; count < 100; count++) {
        runner.add({ cmd: `echo >> ${directory}/ran`, stdin: "x".repeat(10_000) });
        await turn();
      }
    });
    await assertRejects(() => running, ExecutorError, "Cannot run the tasks: their process was ended by SIGKILL");
    assert(given >= 1);
    runner.add("again", "true");
    assertEquals((await runner.runAndWait()).counts, { ok: 1 });
    assertEquals(openTaskFiles(), []);
  });
});

test("TaskRunner reports that an added task cannot be written, and has the results of the running tasks", async () => {
  if (lacks("prlimit")) return;
  await withTempDirectory(async (directory) => {
    // Runtimes other than Deno ignore SIGXFSZ themselves.
    const { status, stdout, stderr } = await shell(
      `trap '' XFSZ; TMPDIR=${directory} exec $RUNTIME tests/fixtures/add_until_full.ts ${directory}`,
    );
    assertEquals(status, 0, stderr);
    const [ids, error] = JSON.parse(stdout);
    const expected = ["quick", `Error: ${REFUSED}; wait until it has closed`, "slow done"];
    assertEquals(ids, expected);
    assertMatch(
      error,
      /^ExecutorError: Cannot write the tasks to a file in .*: .*; set TMPDIR to a directory with enough free space/,
    );
    assertEquals(await readdir(directory), ["end"]);
  });
});

test("TaskRunner closes the file of tasks", async () => {
  const runner = runnerOf([{ cmd: "true" }]);
  await runner.runAndWait((_, completed) => {
    if (completed < 3) runner.add({ cmd: "true" });
    assertEquals(openTaskFiles().length, 1);
  });
  assertEquals(openTaskFiles(), []);
});

/** The descriptors of this process that have a file of tasks open. */
function openTaskFiles(): string[] {
  return readdirSync("/proc/self/fd").filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).includes("tasks.jsonl");
    } catch {
      return false; // the descriptor with which the directory was read
    }
  });
}

type Deed = { add: number } | "take" | "settle" | "turn" | "drain";

const deeds: fc.Arbitrary<Deed[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ add: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 6, arbitrary: fc.constant("take" as const) },
    { weight: 2, arbitrary: fc.constant("settle" as const) },
    { weight: 3, arbitrary: fc.constant("turn" as const) },
    { weight: 1, arbitrary: fc.constant("drain" as const) },
  ),
  { maxLength: 30 },
);

/** An executor whose attempts take some turns of the event loop. */
const slow: ExecutorFactory = {
  create() {
    const executor = new FakeExecutor();
    executor.onStart = async (execution) => {
      for (let turns = execution.attempt.sequence % 3; turns > 0; turns--) await turn();
      execution.end();
    };
    return executor;
  },
};

eitherWay("gives each task one result or refuses the task, in any order of calls", async (isolate) => {
  const property = fc.asyncProperty(
    deeds,
    fc.integer({ min: 1, max: 4 }),
    fc.boolean(),
    async (deeds, concurrency, keepOrder) => {
      const runner = new TaskRunner({ isolate, concurrency, keepOrder, executor: isolate ? instant : slow });
      const results = runner.results();
      const added: string[] = [];
      const addedLater: string[] = [];
      const given: string[] = [];
      const pending: Promise<void>[] = [];
      let asked = 0;
      let isDrained = false;
      let isClosed = false;
      results.closed.then(() => isClosed = true, () => {});
      const add = () => {
        const id = `${added.length + addedLater.length}`;
        try {
          runner.add(id, "true");
          (isClosed ? addedLater : added).push(id);
        } catch (error) {
          assertMatch(String(error), new RegExp(REFUSED));
          assert(isDrained || asked > added.length, "an add was refused too early");
        }
        assertEquals(runner.size, (isClosed ? addedLater : added).length);
      };
      const take = async () => {
        const { done, value } = await results.next();
        if (!done) given.push(value.id);
      };
      for (const deed of deeds) {
        if (deed === "take") {
          asked++;
          pending.push(take());
        } else if (deed === "settle") await Promise.all(pending.splice(0));
        else if (deed === "turn") await turn();
        else if (deed === "drain") {
          isDrained = true;
          results.drain();
        } else for (let count = 0; count < deed.add; count++) add();
      }
      await Promise.all(pending);
      for await (const { id } of results) given.push(id);
      await results.closed;
      if (!isDrained) assertEquals(keepOrder ? given : given.toSorted(), keepOrder ? added : added.toSorted());
      assertEquals(new Set(given).size, given.length);
      assert(given.every((id) => added.includes(id)));
      const rest: string[] = [];
      await runner.runAndWait(({ id }) => rest.push(id));
      assertEquals(rest.sort(), addedLater.sort());
    },
  );
  await fc.assert(property, { numRuns: isolate ? scaledCount(100) : 200 * EFFORT, seed: SEED });
});
