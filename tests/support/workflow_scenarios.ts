/** Generates random workflows, settings and schedules. */

import fc from "fast-check";
import type { Outcome, Task } from "../../mod.ts";
import type { WorkflowAction, WorkflowHarnessSettings } from "./workflow_harness.ts";

/** A random workflow and what happens to its run. */
export interface Scenario {
  settings: Omit<WorkflowHarnessSettings, "recorded" | "isReadFirst" | "asks" | "tasks">;
  tasks: Task[];
  isReadFirst: boolean;
  asks: number;
  schedule: { action: WorkflowAction; isFollowed: boolean; inCallback: boolean }[];
  /** The ends of the attempts after the schedule. */
  ends: ("ok" | "failed")[];
}

/** The numbers from which a task is made. */
interface Seed {
  after: number[];
  runIf: Task["runIf"];
  priority: number | undefined;
  uses: Record<string, number> | undefined;
  slots: number | undefined;
  retries: number | undefined;
  hasId: boolean;
  isNumber: boolean;
  isTwice: boolean;
}

/** The id of the first task: tasks without an id have their number as the id of the result. */
export const FIRST_ID = 100;

/** The capacities of all runs. */
const RESOURCES = { a: 2, b: 3 };

const seed: fc.Arbitrary<Seed> = fc.record({
  after: fc.oneof({ weight: 2, arbitrary: fc.constant<number[]>([]) }, {
    weight: 5,
    arbitrary: fc.array(fc.nat({ max: 99 }), { minLength: 1, maxLength: 3 }),
  }),
  runIf: fc.constantFrom(undefined, undefined, undefined, "done", "failed", "ok"),
  priority: fc.constantFrom(undefined, undefined, undefined, -1, 0, 1, 7),
  uses: fc.constantFrom<Record<string, number> | undefined>(
    ...[undefined, undefined, undefined, undefined, { a: 1 }, { a: 2 }, { b: 2 }, { a: 1, b: 1 }, { b: 3, a: 0 }, {
      a: 0,
    }],
  ),
  slots: fc.constantFrom(undefined, undefined, undefined, undefined, 1, 2, 2, 3),
  retries: fc.constantFrom(undefined, undefined, 0, 1, 2),
  hasId: fc.integer({ min: 0, max: 9 }).map((value) => value > 0),
  isNumber: fc.boolean(),
  isTwice: fc.integer({ min: 0, max: 30 }).map((value) => value === 30),
});

/** The shapes of graphs: the prerequisites of a task, by its index, the number of tasks, and random numbers. */
const SHAPES: Record<string, (index: number, count: number, numbers: number[]) => number[]> = {
  "any earlier": (index, _count, numbers) => index === 0 ? [] : numbers.map((number) => number % index),
  "any": (_index, count, numbers) => numbers.map((number) => number % (count + 1)),
  "chain": (index, _count, numbers) => index === 0 || numbers.length === 0 ? [] : [index - 1],
  "layers": (index, _count, numbers) => index < 3 ? [] : numbers.map((number) => index - index % 3 - 1 - number % 3),
  "fan-in": (index, count) => index < count - 1 ? [] : Array.from({ length: index }, (_, other) => other),
  "fan-out": (index) => index === 0 ? [] : [0],
  "any later": (index, count, numbers) => numbers.map((number) => index + 1 + number % (count - index)),
  "independent": () => [],
};

/** Random tasks. */
export const workflowTasks: fc.Arbitrary<Task[]> = fc.record({
  seeds: fc.array(seed, { minLength: 1, maxLength: 9, size: "max" }),
  shape: fc.constantFrom(...Object.keys(SHAPES)),
  isPlain: fc.boolean(),
  plainBeginning: fc.constantFrom(0, 0, 1, 2, 4),
}).map(({ seeds, shape, isPlain, plainBeginning }) =>
  seeds.map((seed, index) => {
    const idOf = (index: number) => seeds[index]?.isNumber ? FIRST_ID + index : `${FIRST_ID + index}`;
    const { retries } = seed;
    const own = { cmd: "x", ...(retries !== undefined && { retries }) };
    const id = seed.isTwice ? idOf(0) : idOf(index);
    if (index < plainBeginning) return { ...own, ...(seed.hasId && { id }) };
    const after = SHAPES[shape]!(index, seeds.length, seed.after).map(idOf);
    const { runIf, priority, uses, slots } = seed;
    const isFirstGiven = after.length === 1 && seed.isNumber;
    const { hasId } = seed;
    return {
      ...own,
      ...((hasId || after.length > 0) && { id }),
      ...(after.length > 0 && { after: isFirstGiven ? after[0]! : after, ...(runIf && { runIf }) }),
      ...(priority !== undefined && { priority }),
      ...(!isPlain && uses && { uses }),
      ...(!isPlain && slots !== undefined && { slots }),
    };
  })
);

const end = fc.oneof({ weight: 6, arbitrary: fc.constantFrom("ok" as const, "ok" as const, "failed" as const) }, {
  weight: 1,
  arbitrary: fc.constantFrom("killed" as const, "not started" as const),
});

const action: fc.Arbitrary<WorkflowAction> = fc.oneof(
  { weight: 40, arbitrary: fc.record({ kind: fc.constant("end" as const), index: fc.nat({ max: 5 }), how: end }) },
  { weight: 30, arbitrary: fc.record({ kind: fc.constant("supply" as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 25, arbitrary: fc.record({ kind: fc.constant("next" as const), count: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 10,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), count: fc.constantFrom(1, 20, 500, 1_000) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("concurrency" as const), count: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("drain", "abort", "kill", "return", "fail source") }) },
);

/** Random scenarios. */
export const scenarios: fc.Arbitrary<Scenario> = fc.record({
  settings: fc.record({
    concurrency: fc.integer({ min: 1, max: 4 }),
    keepOrder: fc.boolean(),
    retry: fc.record({ limit: fc.nat({ max: 1 }), delayMs: fc.constantFrom(0, 0, 1_000) }),
    halt: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, {
      weight: 1,
      arbitrary: fc.record({
        when: fc.constantFrom("now" as const, "soon" as const),
        on: fc.constantFrom("fail" as const, "success" as const, "done" as const),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    }),
    resources: fc.constant(RESOURCES),
    maxWaiting: fc.constantFrom(100, 100, 1, 2, 4),
    estimates: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, {
      weight: 1,
      arbitrary: fc.dictionary(
        fc.nat({ max: 9 }).map((index) => String(FIRST_ID + index)),
        fc.constantFrom(0, 1, 5, 20),
        { noNullPrototype: true },
      ),
    }),
    isExact: fc.constantFrom(true, true, false),
    source: fc.constantFrom("array", "iterable", "stream", "stream", "buffered"),
    failsAfter: fc.oneof({ weight: 15, arbitrary: fc.constant(Infinity) }, {
      weight: 1,
      arbitrary: fc.nat({ max: 4 }),
    }),
    isInstant: fc.integer({ min: 0, max: 9 }).map((value) => value === 0),
  }).map((settings) => ({ ...settings, isInstant: settings.isInstant && !settings.isExact })),
  tasks: workflowTasks,
  isReadFirst: fc.boolean(),
  asks: fc.integer({ min: 0, max: 12 }),
  schedule: fc.array(
    fc.record({
      action,
      isFollowed: fc.boolean(),
      inCallback: fc.integer({ min: 0, max: 9 }).map((value) => value === 0),
    }),
    { maxLength: 30, size: "max" },
  ),
  ends: fc.array(fc.constantFrom("ok" as const, "failed" as const), { minLength: 1, maxLength: 5 }),
});

/** Returns the latest outcomes of tasks. */
export function recordedOutcomes(results: readonly { id: string; outcome: Outcome }[]): Map<string, Outcome> {
  const recorded = new Map(results.map(({ id, outcome }) => [id, outcome]));
  for (const [id, outcome] of recorded) if (outcome === "canceled") recorded.delete(id);
  return recorded;
}
