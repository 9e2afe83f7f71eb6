/** Generates random schedules of actions on a pool, its source and its executor. */

import fc from "fast-check";
import { RETRY_OUTCOMES, type RetryOutcome } from "../../pool/retry.ts";
import type { FakeResult } from "./fake_executor.ts";
import type { HarnessSettings, Live, PoolHarness } from "./pool_harness.ts";

/** An action without waiting. */
interface Action {
  readonly name: string;
  readonly act: (harness: PoolHarness) => void;
}

const action = (name: string, act: Action["act"]): Action => ({ name, act });
const always = (name: string, act: Action["act"]) => fc.constant(action(name, act));

/** Chooses between actions by weight. */
const oneOf = (...choices: [weight: number, fc.Arbitrary<Action>][]) =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));

/** Generates an action on one of the running attempts. */
const onAttempt = (name: string, act: (harness: PoolHarness, live: Live) => void) =>
  fc.nat({ max: 5 }).map((index) =>
    action(`${name} (${index})`, (harness) => {
      const { live } = harness;
      const one = live[index % live.length];
      if (!one) return;
      harness.model.log(`- of ${one.model.task.sequence}.${one.model.number}:`);
      act(harness, one);
    })
  );

/** Possible ends of attempts. */
const ENDS: Readonly<Record<string, FakeResult>> = {
  "ok": {},
  "failed": { status: 1 },
  "killed": { ending: { kind: "signaled", signal: "SIGKILL", status: 137 } },
  "not started": { ending: { kind: "spawn-failed", status: 127, reason: "no such program" } },
  "lost": { ending: { kind: "lost", reason: "gone" } },
  "with lost output": { outputError: "no room" },
};
const end = fc.oneof({ weight: 4, arbitrary: fc.constantFrom("ok", "failed") }, {
  weight: 1,
  arbitrary: fc.constantFrom(...Object.keys(ENDS)),
});

/** Calls by the user of the pool, which may also happen within its progress callback. */
const calls = oneOf(
  [4, always("next()", (harness) => harness.next())],
  [4, fc.integer({ min: 1, max: 4 }).map((n) => action(`concurrency = ${n}`, (harness) => harness.setConcurrency(n)))],
  [1, always("drain()", (harness) => harness.drain())],
  [1, always("abort", (harness) => harness.abort())],
  [1, always("kill()", (harness) => harness.kill())],
  [1, always("return()", (harness) => harness.return())],
);
const reactions = oneOf([6, calls], [1, always("throw", (harness) => harness.throwFromProgress())]);

const task = fc.record({ retries: fc.nat({ max: 3 }), timeoutMs: fc.constantFrom(15, 100) }, { requiredKeys: [] });

const actions = oneOf(
  [40, always("next()", (harness) => harness.next())],
  [40, task.map((task) => action(`task ${JSON.stringify(task)}`, (harness) => harness.supply(task)))],
  [50, end.chain((how) => onAttempt(`end: ${how}`, (harness, live) => harness.endAttempt(live, ENDS[how]!)))],
  [20, end.map((how) => action(`(the next start ends: ${how})`, (harness) => harness.executor.endAtStart(ENDS[how]!)))],
  [10, calls],
  [
    10,
    reactions.map(({ name, act }) => action(`(the next report: ${name})`, (harness) => harness.onNextProgress(act))),
  ],
  [10, onAttempt("exit, not yet reported", (_, { execution }) => execution.exit())],
  [5, onAttempt("output limit exceeded", (harness, live) => harness.exceedOutput(live))],
  [10, onAttempt("withdrawal", (harness, live) => harness.withdraw(live))],
  [2, onAttempt("failure of the attempt", (harness, live) => harness.endAttempt(live, new Error("attempt failed")))],
  [2, always("(the next start fails)", (harness) => harness.executor.endAtStart(new Error("start failed")))],
  [2, always("the executor fails", (harness) => harness.failExecutor())],
  [5, fc.constantFrom(1, 5, 20).map((ms) => action(`busy for ${ms} ms`, (harness) => harness.clock.passes(ms)))],
  [5, always("the executor opens", (harness) => harness.executor.opening.resolve())],
  [1, always("the executor fails to open", (harness) => harness.executor.opening.reject(new Error("not open")))],
  [5, always("the executor closes", (harness) => harness.executor.closing.resolve())],
  [2, always("the source ends", (harness) => harness.endSource())],
  [1, always("the source fails", (harness) => harness.endSource(new Error("source failed")))],
  [1, always("invalid task", (harness) => harness.supplyInvalidTask())],
);

/** Performs actions without waiting in between. */
class Perform implements fc.AsyncCommand<object, PoolHarness> {
  readonly #actions: readonly Action[];

  constructor(actions: readonly Action[]) {
    this.#actions = actions;
  }

  check(): boolean {
    return true;
  }

  run(_: object, harness: PoolHarness): Promise<void> {
    for (const { name, act } of this.#actions) {
      harness.model.log(`- ${name}`);
      act(harness);
    }
    return harness.check();
  }

  toString(): string {
    return this.#actions.map(({ name }) => name).join(" + ");
  }
}

/** Advances the time and waits until everything has settled. */
class Wait implements fc.AsyncCommand<object, PoolHarness> {
  readonly #ms: number;

  constructor(ms: number) {
    this.#ms = ms;
  }

  check(): boolean {
    return true;
  }

  async run(_: object, harness: PoolHarness): Promise<void> {
    harness.model.log(`- ${this}`);
    await harness.wait(this.#ms);
    await harness.check();
  }

  toString(): string {
    return this.#ms === 0 ? "settle" : `wait ${this.#ms} ms`;
  }
}

/** Random schedules. */
export const schedules = fc.commands([
  fc.array(actions, { minLength: 1, maxLength: 3 }).map((actions) => new Perform(actions)),
  fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, 5, 10, 30, 100) })
    .map((ms) => new Wait(ms)),
], { maxCommands: 40, size: "max" });

/** Random settings of the pool and its environment. */
export const settings: fc.Arbitrary<HarnessSettings> = fc.record({
  concurrency: fc.integer({ min: 1, max: 4 }),
  keepOrder: fc.boolean(),
  retry: fc.record({
    limit: fc.nat({ max: 2 }),
    delayMs: fc.constantFrom(0, 0, 10, 40),
    maxDelayMs: fc.constantFrom(15, 300_000),
    on: fc.oneof(
      { weight: 2, arbitrary: fc.constant<RetryOutcome[]>(["failed", "killed", "timeout"]) },
      { weight: 1, arbitrary: fc.subarray<RetryOutcome>([...RETRY_OUTCOMES]) },
    ),
  }),
  startDelayMs: fc.constantFrom(0, 0, 5, 20),
  timeoutMs: fc.constantFrom(undefined, undefined, 20),
  enforcesTimeout: fc.boolean(),
  halt: fc.option(
    fc.record({
      when: fc.constantFrom("now" as const, "soon" as const),
      on: fc.constantFrom("fail" as const, "success" as const, "done" as const),
      count: fc.integer({ min: 1, max: 3 }),
    }),
    { nil: undefined },
  ),
  opens: fc.constantFrom("unasked", "unasked", "at once", "later"),
  closes: fc.constantFrom("at once", "at once", "later", "with an error"),
  diesAtOnce: fc.boolean(),
  random: fc.constantFrom(0, 0.5, 0.999),
  isInstant: fc.constantFrom(false, false, true),
  isBuffered: fc.boolean(),
  tasks: fc.array(task, { maxLength: 10 }),
  asks: fc.nat({ max: 3 }),
});
