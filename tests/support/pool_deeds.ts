/** Generates random schedules of actions on a pool, its source and its executor. */

import fc from "fast-check";
import { RETRY_OUTCOMES, type RetryOutcome } from "../../pool/retry.ts";
import type { FakeResult } from "./fake_executor.ts";
import type { Live, PoolWorld, WorldSettings } from "./pool_world.ts";

/** An action without waiting. */
interface Deed {
  readonly name: string;
  readonly act: (world: PoolWorld) => void;
}

const deed = (name: string, act: Deed["act"]): Deed => ({ name, act });
const always = (name: string, act: Deed["act"]) => fc.constant(deed(name, act));

/** Chooses between actions by weight. */
const oneOf = (...choices: [weight: number, fc.Arbitrary<Deed>][]) =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));

/** Generates an action on one of the running attempts. */
const toOne = (name: string, act: (world: PoolWorld, live: Live) => void) =>
  fc.nat({ max: 5 }).map((index) =>
    deed(`${name} (${index})`, (world) => {
      const { live } = world;
      const one = live[index % live.length];
      if (!one) return;
      world.model.tells(`- of ${one.model.task.sequence}.${one.model.number}:`);
      act(world, one);
    })
  );

/** How attempts end. */
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
  [4, always("next()", (world) => world.next())],
  [4, fc.integer({ min: 1, max: 4 }).map((n) => deed(`concurrency = ${n}`, (world) => world.setConcurrency(n)))],
  [1, always("drain()", (world) => world.drain())],
  [1, always("abort", (world) => world.abort())],
  [1, always("kill()", (world) => world.kill())],
  [1, always("return()", (world) => world.return())],
);
const reactions = oneOf([6, calls], [1, always("throw", (world) => world.throwFromProgress())]);

const task = fc.record({ retries: fc.nat({ max: 3 }), timeoutMs: fc.constantFrom(15, 100) }, { requiredKeys: [] });

const deeds = oneOf(
  [40, always("next()", (world) => world.next())],
  [40, task.map((task) => deed(`task ${JSON.stringify(task)}`, (world) => world.supply(task)))],
  [50, end.chain((how) => toOne(`end: ${how}`, (world, live) => world.endAttempt(live, ENDS[how]!)))],
  [20, end.map((how) => deed(`(the next start ends: ${how})`, (world) => world.executor.endAtStart(ENDS[how]!)))],
  [10, calls],
  [10, reactions.map(({ name, act }) => deed(`(the next report: ${name})`, (world) => world.reactsWith(act)))],
  [10, toOne("an exit, not yet an end", (_, { execution }) => execution.exit())],
  [5, toOne("too much output", (world, live) => world.exceedOutput(live))],
  [10, toOne("a withdrawal", (world, live) => world.takeBack(live))],
  [2, toOne("a failure of the executor", (world, live) => world.endAttempt(live, new Error("attempt failed")))],
  [2, always("(the next start fails)", (world) => world.executor.endAtStart(new Error("start failed")))],
  [2, always("the executor fails", (world) => world.failExecutor())],
  [5, fc.constantFrom(1, 5, 20).map((ms) => deed(`busy for ${ms} ms`, (world) => world.clock.passes(ms)))],
  [5, always("the executor opens", (world) => world.executor.opening.resolve())],
  [1, always("the executor fails to open", (world) => world.executor.opening.reject(new Error("not open")))],
  [5, always("the executor closes", (world) => world.executor.closing.resolve())],
  [2, always("the source ends", (world) => world.endSource())],
  [1, always("the source fails", (world) => world.endSource(new Error("source failed")))],
  [1, always("invalid task", (world) => world.supplyNoTask())],
);

/** Performs actions without waiting in between. */
class Happens implements fc.AsyncCommand<object, PoolWorld> {
  readonly #deeds: readonly Deed[];

  constructor(deeds: readonly Deed[]) {
    this.#deeds = deeds;
  }

  check(): boolean {
    return true;
  }

  run(_: object, world: PoolWorld): Promise<void> {
    for (const { name, act } of this.#deeds) {
      world.model.tells(`- ${name}`);
      act(world);
    }
    return world.check();
  }

  toString(): string {
    return this.#deeds.map(({ name }) => name).join(" + ");
  }
}

/** Advances the time and waits until everything has settled. */
class Waits implements fc.AsyncCommand<object, PoolWorld> {
  readonly #ms: number;

  constructor(ms: number) {
    this.#ms = ms;
  }

  check(): boolean {
    return true;
  }

  async run(_: object, world: PoolWorld): Promise<void> {
    world.model.tells(`- ${this}`);
    await world.wait(this.#ms);
    await world.check();
  }

  toString(): string {
    return this.#ms === 0 ? "settle" : `wait ${this.#ms} ms`;
  }
}

/** Random schedules. */
export const schedules = fc.commands([
  fc.array(deeds, { minLength: 1, maxLength: 3 }).map((deeds) => new Happens(deeds)),
  fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, 5, 10, 30, 100) })
    .map((ms) => new Waits(ms)),
], { maxCommands: 40, size: "max" });

/** Random settings of the pool and its environment. */
export const settings: fc.Arbitrary<WorldSettings> = fc.record({
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
  keepsTime: fc.boolean(),
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
  tasks: fc.array(task, { maxLength: 10 }),
  asks: fc.nat({ max: 3 }),
});
