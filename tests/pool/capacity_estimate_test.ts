import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { ResourceShortageError, run } from "../../mod.ts";
import { CapacityEstimate } from "../../pool/capacity_estimate.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeExecutor } from "../support/fake_executor.ts";
import { collect } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** The result of an attempt for which the system lacks resources. */
const SHORTAGE = { ending: { kind: "no-resources", reason: "too few of everything" } } as const;

test("CapacityEstimate grows from time to time, and gives up after 10 seconds without a success", () => {
  let nowMs = 0;
  const estimate = new CapacityEstimate(() => nowMs);
  assertEquals(estimate.check(1_000), undefined);
  assertEquals(estimate.recordShortage(2), true);
  assertEquals(estimate.check(1), undefined);
  assertEquals(estimate.check(2), { reason: "shortage", waitMs: 250 });
  nowMs = 250;
  assertEquals(estimate.check(2), undefined);
  assertEquals(estimate.check(3)?.reason, "shortage");
  assertEquals(estimate.recordShortage(0), true);
  nowMs = 10_000;
  assertEquals(estimate.recordShortage(0), true);
  nowMs = 10_250;
  assertEquals(estimate.recordShortage(0), false);
  estimate.recordSuccess();
  assertEquals(estimate.recordShortage(0), true);
});

test("a task without resources starts later, without counting an attempt, unless the run drains", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.end(executor.executions.length <= 2 ? SHORTAGE : {});
  const tasks = ["a", "b", "c", "d"].map((id) => ({ id, cmd: "x" }));
  const results = await collect(run(tasks, { executor, concurrency: 2, keepOrder: true }));
  assertEquals(
    results.map(({ id, outcome, attempts }) => [id, outcome, attempts]),
    tasks.map(({ id }) => [id, "ok", 1]),
  );

  executor.onStart = (execution) => execution.end(SHORTAGE);
  const stopped: ReturnType<typeof run> = run(tasks, {
    executor,
    concurrency: 2,
    onProgress: ({ throttledBy }) => throttledBy === "shortage" && stopped.drain(),
  });
  assertEquals(await collect(stopped), []);
});

test("a run in which nothing can start for ten seconds ends with an error", async () => {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.end(SHORTAGE);
  const clock = new FakeClock();
  await clock.during(async () => {
    const results = run([{ cmd: "x" }, { cmd: "y" }], { executor, concurrency: 1 });
    const ended = assertRejects(() => collect(results), ResourceShortageError);
    await clock.advance(9_000);
    assertEquals(executor.closed, 0);
    await clock.advance(2_000);
    const { name, message } = await ended;
    assertEquals([name, message], ["ResourceShortageError", "Cannot start any task: too few of everything"]);
    assertEquals(executor.closed, 1);
  });
});

test("the ten seconds restart with each task that could start", async () => {
  const executor = new FakeExecutor();
  let rooms = 0;
  executor.onStart = (execution) => execution.end(--rooms >= 0 ? {} : SHORTAGE);
  const clock = new FakeClock();
  await clock.during(async () => {
    const ended = collect(run([{ cmd: "x" }, { cmd: "y" }], { executor, concurrency: 1 }));
    for (let times = 1; times <= 2; times++) {
      await clock.advance(6_000);
      rooms = 1;
      await clock.advance(1_000);
    }
    assertEquals((await ended).map(({ outcome }) => outcome), ["ok", "ok"]);
  });
});
