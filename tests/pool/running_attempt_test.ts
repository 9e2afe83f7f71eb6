/** Tests of the timeout of an attempt, with a fake clock. */

import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import {
  type AttemptCallbacks,
  type AttemptResult,
  type AttemptStop,
  type Executor,
  resultWithoutOutput,
} from "../../pool/executor.ts";
import { LATE_TURNS, RunningAttempt } from "../../pool/running_attempt.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** Starts an attempt with a timeout of 100 ms. `hasEnded` is the method of its execution. */
function startAttempt(hasEnded?: () => boolean | undefined) {
  const stops: AttemptStop[] = [];
  const errors: unknown[] = [];
  const ended = Promise.withResolvers<AttemptResult>();
  let onStart!: AttemptCallbacks["onStart"];
  const executor: Executor = {
    reportsStart: true,
    start(_attempt, callbacks) {
      onStart = callbacks.onStart;
      const execution = { ended: ended.promise, terminate: (reason: AttemptStop) => void stops.push(reason) };
      return hasEnded ? { ...execution, hasEnded } : execution;
    },
    discard: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const attempt = { task: { cmd: "x" }, id: "1", sequence: 1, number: 1, slot: 1, timeoutMs: 100 };
  const running = new RunningAttempt(executor, attempt, 1_000, { onError: (error) => errors.push(error) });
  const fail = () => {
    ended.reject(new Error("broken"));
    return running.ended;
  };
  const end = () => {
    ended.resolve(resultWithoutOutput({ kind: "exited", status: 0 }));
    return running.ended;
  };
  return { stops, errors, onStart, end, fail };
}

test("a timeout counts from the start of the command, even when the report of the start is late", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const { stops, onStart } = startAttempt(() => false);
    onStart(30);
    await clock.advance(69);
    assertEquals(stops, []);
    await clock.advance(1);
    assertEquals(stops, ["timeout"]);
    assertEquals(clock.waiting, 0);
  });
});

test("a timeout waits for some turns of the event loop when the system does not report ended commands", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    for (const hasEnded of [undefined, () => undefined]) {
      const { stops, errors, onStart } = startAttempt(hasEnded);
      onStart();
      await clock.advance(100 + LATE_TURNS - 1);
      assertEquals(stops, []);
      await clock.advance(1);
      assertEquals([stops, errors], [["timeout"], []]);
      assertEquals(clock.waiting, 0);
    }
  });
});

test("the end of an attempt cancels its timeout, and a later report of its start sets none", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    for (const isStarted of [true, false]) {
      const { stops, onStart, end } = startAttempt();
      if (isStarted) onStart();
      assertEquals(clock.waiting, isStarted ? 1 : 0);
      await end();
      onStart();
      assertEquals([clock.waiting, stops], [0, []]);
    }
  });
});

test("an attempt that failed has no timeout", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const { stops, onStart, fail } = startAttempt();
    onStart();
    await assertRejects(fail, Error, "broken");
    assertEquals(clock.waiting, 0);
    onStart();
    await clock.advance(1_000);
    assertEquals(stops, []);
  });
});
