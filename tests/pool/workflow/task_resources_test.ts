import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import {
  type Allocation,
  delays,
  type Demand,
  fits,
  MAX_NUMBERED_UNITS,
  ONE_SLOT,
  Resources,
  variablesOf,
} from "../../../pool/workflow/resources.ts";
import { EFFORT, SEED } from "../../support/helpers.ts";
import { test } from "../../support/test.ts";

const UNITS = { gpu: 3, disk: 5, memory: MAX_NUMBERED_UNITS + 1 };
const SETTINGS = Object.entries(UNITS).map(([name, units]) => ({ name, units, variable: undefined }));

const uses = fc.record({
  gpu: fc.nat({ max: 3 }),
  disk: fc.nat({ max: 5 }),
  memory: fc.nat({ max: MAX_NUMBERED_UNITS + 1 }),
}, { requiredKeys: [] });

test("Resources hands out the lowest free units, and none twice", () => {
  const action = fc.oneof(uses.map((uses) => ({ uses })), fc.nat({ max: 9 }).map((release) => ({ release })));
  const property = fc.property(fc.array(action, { maxLength: 50, size: "max" }), (actions) => {
    const resources = new Resources(SETTINGS);
    const held: { allocation: Allocation; uses: Record<string, number>; numbers: Record<string, number[]> }[] = [];
    const taken = (name: string) => held.flatMap(({ numbers }) => numbers[name] ?? []);
    const used = (name: string) => held.reduce((sum, { uses }) => sum + (uses[name] ?? 0), 0);
    for (const action of actions) {
      if ("release" in action) {
        const [ended] = held.splice(action.release % (held.length + 1), 1);
        if (ended) resources.release(ended.allocation);
        continue;
      }
      const { uses } = action;
      const demand = resources.demandOf({ cmd: "x", uses }, 1, 1);
      const isPossible = Object.entries(uses).every(([name, count]) =>
        count + used(name) <= UNITS[name as keyof typeof UNITS]
      );
      assertEquals([fits(demand, 1), fits(demand, 0)], [isPossible, false]);
      if (!isPossible) continue;
      const allocation = resources.allocate(demand);
      const numbers: Record<string, number[]> = {};
      for (const name of ["gpu", "disk"] as const) {
        const free = Array.from({ length: UNITS[name] }, (_, unit) => unit).filter((unit) =>
          !taken(name).includes(unit)
        );
        numbers[name] = free.slice(0, uses[name] ?? 0);
      }
      const expected = Object.entries(numbers).filter(([, units]) => units.length > 0)
        .map(([name, units]) => [`TASKRUNNER_${name.toUpperCase()}`, units.join(",")]);
      const isWithout = Object.values(uses).every((count) => count === 0);
      assertEquals(variablesOf(allocation), isWithout ? undefined : Object.fromEntries(expected));
      held.push({ allocation, uses, numbers });
    }
    for (const { allocation } of held) resources.release(allocation);
    assert(fits(resources.demandOf({ cmd: "x", uses: UNITS }, 1, 1), 1));
  });
  fc.assert(property, { numRuns: 300 * EFFORT, seed: SEED });
});

test("tasks with the same needs share a demand", () => {
  const resources = new Resources(SETTINGS);
  const demandOf = (slots: number | undefined, uses?: Record<string, number>): Demand =>
    resources.demandOf({ cmd: "x", slots, uses }, 9, 1);
  assertEquals(demandOf(2, { gpu: 1, disk: 2 }), demandOf(2, { disk: 2, gpu: 1, memory: 0 }));
  assert(demandOf(2, { gpu: 1, disk: 2 }) === demandOf(2, { disk: 2, gpu: 1, memory: 0 }));
  for (const same of [demandOf(undefined), demandOf(1), demandOf(1, {}), demandOf(1, { gpu: 0 })]) {
    assert(same === ONE_SLOT);
  }
  const different = [
    demandOf(2),
    demandOf(3),
    demandOf(1, { gpu: 1 }),
    demandOf(1, { gpu: 2 }),
    demandOf(1, { disk: 1 }),
  ];
  assertEquals(new Set(different).size, different.length);
});

test("the variables of a resource are TASKRUNNER_NAME and another one; only numbered units have variables", () => {
  const resources = new Resources([
    { name: "gpu_a", units: 2, variable: "CUDA_VISIBLE_DEVICES" },
    { name: "many", units: MAX_NUMBERED_UNITS, variable: undefined },
    { name: "more", units: MAX_NUMBERED_UNITS + 1, variable: "MORE" },
  ]);
  const demand = resources.demandOf({ cmd: "x", uses: { gpu_a: 2, many: 1, more: 5 } }, 1, 1);
  assertEquals(variablesOf(resources.allocate(demand)), {
    TASKRUNNER_GPU_A: "0,1",
    CUDA_VISIBLE_DEVICES: "0,1",
    TASKRUNNER_MANY: "0",
  });
  const rest = resources.demandOf({ cmd: "x", uses: { many: MAX_NUMBERED_UNITS - 1 } }, 1, 1);
  const { TASKRUNNER_MANY } = variablesOf(resources.allocate(rest))!;
  assertEquals(TASKRUNNER_MANY, Array.from({ length: MAX_NUMBERED_UNITS - 1 }, (_, index) => index + 1).join());
});

test("a task delays another one that needs several slots or the units that the task would take", () => {
  const resources = new Resources(SETTINGS);
  const demandOf = (slots: number, uses: Record<string, number> = {}) =>
    resources.demandOf({ cmd: "x", slots, uses }, 9, 1);
  const [one, two, three] = [demandOf(1), demandOf(2), demandOf(3)];
  // The slots that are left: 2 of 3, 1 of 2, 0 of 1.
  assertEquals([3, 2, 1].map((free) => delays(one, two, free)), [false, true, true]);
  assertEquals([4, 3].map((free) => delays(one, three, free)), [false, true]);
  assertEquals(delays(two, one, 1), false);
  resources.allocate(demandOf(1, { gpu: 1 })); // 2 of 3 are left
  const [gpu, disk] = [demandOf(1, { gpu: 1 }), demandOf(1, { disk: 1 })];
  assertEquals(delays(gpu, gpu, 1), false);
  assertEquals(delays(gpu, demandOf(1, { gpu: 2 }), 1), true);
  assertEquals(delays(disk, demandOf(1, { gpu: 3 }), 1), false);
  assertEquals(delays(disk, demandOf(1, { gpu: 3, disk: 5 }), 1), true);
});
