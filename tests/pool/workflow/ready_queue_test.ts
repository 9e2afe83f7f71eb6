import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import { ReadyQueue } from "../../../pool/workflow/ready_queue.ts";
import { type Allocation, delays, type Demand, fits, ONE_SLOT, Resources } from "../../../pool/workflow/resources.ts";
import { EFFORT, SEED } from "../../support/helpers.ts";
import { test } from "../../support/test.ts";

const SETTINGS = [{ name: "a", units: 2, variable: undefined }, { name: "b", units: 3, variable: undefined }];
const any = () => true;

/** A node that has been added; a higher rank comes first. */
interface Node {
  node: number;
  demand: Demand;
}

/** Chooses by the documented rule, from a list. */
class Oracle {
  nodes: Node[] = [];
  readonly passes = new Map<Demand, number>();
  precedes: (one: number, other: number) => boolean;

  constructor(precedes: Oracle["precedes"]) {
    this.precedes = precedes;
  }

  /** Returns the first node of each demand. */
  firsts(): Node[] {
    const isFirst = ({ node, demand }: Node) =>
      !this.nodes.some((other) => other.demand === demand && this.precedes(other.node, node));
    return this.nodes.filter(isFirst);
  }

  choose(freeSlots: number, maxPasses: number, isWanted: (node: number) => boolean): Node | undefined {
    const firsts = this.firsts().filter(({ node }) => isWanted(node));
    const isDelayed = ({ demand }: Node) => (this.passes.get(demand) ?? 0) >= maxPasses;
    const candidates = firsts.filter((one) =>
      fits(one.demand, freeSlots) &&
      !firsts.some((other) =>
        other !== one && isDelayed(other) && delays(one.demand, other.demand, freeSlots) &&
        (!isDelayed(one) || this.precedes(other.node, one.node))
      )
    );
    return candidates.find(({ node }) => !candidates.some((other) => this.precedes(other.node, node)));
  }

  take(taken: Node): void {
    for (const { node, demand } of this.firsts()) {
      if (demand !== taken.demand && this.precedes(node, taken.node)) {
        this.passes.set(demand, (this.passes.get(demand) ?? 0) + 1);
      }
    }
    this.passes.delete(taken.demand);
    this.nodes = this.nodes.filter((one) => one !== taken);
  }
}

const demand = fc.record({
  slots: fc.integer({ min: 1, max: 3 }),
  uses: fc.record({ a: fc.nat({ max: 2 }), b: fc.nat({ max: 3 }) }, { requiredKeys: [] }),
});
const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("add" as const), demand, rank: fc.nat({ max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("take" as const), isLimited: fc.nat({ max: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("release" as const), which: fc.nat({ max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reorder" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("limit" as const), slots: fc.integer({ min: 1, max: 4 }) }) },
);

test("ReadyQueue chooses the first task that fits, and limits how often a task is passed", () => {
  const property = fc.property(fc.array(action, { maxLength: 60, size: "max" }), (actions) => {
    const resources = new Resources(SETTINGS);
    const ranks: number[] = [];
    let isReversed = false;
    let slots = 3;
    const precedes = (one: number, other: number) => {
      const difference = (ranks[one]! - ranks[other]!) * (isReversed ? -1 : 1);
      return difference === 0 ? one < other : difference > 0;
    };
    const queue = new ReadyQueue(precedes, () => 2 * slots);
    const oracle = new Oracle(precedes);
    const running: { demand: Demand; allocation: Allocation }[] = [];
    const freeSlots = () =>
      running.length === 0 ? Infinity : slots - running.reduce((sum, { demand: { slots } }) => sum + slots, 0);
    for (const action of actions) {
      if (action.kind === "add") {
        const node = ranks.push(action.rank) - 1;
        const demand = resources.demandOf({ cmd: "x", slots: action.demand.slots, uses: action.demand.uses }, 3, 1);
        queue.add(node, demand);
        oracle.nodes.push({ node, demand });
      } else if (action.kind === "take") {
        // As for retries: only the nodes of the highest rank are wanted.
        const isWanted = action.isLimited === 0 && !isReversed ? (node: number) => ranks[node] === 3 : any;
        const expected = oracle.choose(freeSlots(), 2 * slots, isWanted);
        assertEquals(queue.hasNext(freeSlots(), isWanted), expected !== undefined);
        if (running.length === 0) assertEquals(queue.hasNext(Infinity, any), queue.size > 0);
        if (!expected) continue;
        assertEquals(queue.take(freeSlots(), isWanted), expected);
        oracle.take(expected);
        running.push({ demand: expected.demand, allocation: resources.allocate(expected.demand) });
      } else if (action.kind === "release") {
        const [ended] = running.splice(action.which % (running.length + 1), 1);
        if (ended) resources.release(ended.allocation);
      } else if (action.kind === "reorder") {
        isReversed = !isReversed;
        queue.reorder();
      } else slots = action.slots;
      assertEquals(queue.size, oracle.nodes.length);
    }
    for (const { allocation } of running) resources.release(allocation);
    for (let left = oracle.nodes.length; left > 0; left--) {
      const expected = oracle.choose(Infinity, 2 * slots, any)!;
      assertEquals(queue.take(Infinity, any), expected);
      oracle.take(expected);
    }
    assertEquals([queue.size, queue.hasNext(Infinity, any)], [0, false]);
  });
  fc.assert(property, { numRuns: 1_000 * EFFORT, seed: SEED });
});

/** Takes all tasks that can start while one slot is free, up to a number, and returns their nodes. */
function takeInto(queue: ReadyQueue, freeSlots: number, count: number): number[] {
  const nodes: number[] = [];
  while (nodes.length < count && queue.hasNext(freeSlots, any)) nodes.push(queue.take(freeSlots, any).node);
  return nodes;
}

test("ReadyQueue lets 2 × concurrency tasks pass one that needs several slots, and then none", () => {
  const resources = new Resources([]);
  const large = resources.demandOf({ cmd: "x", slots: 2 }, 2, 1);
  const queue = new ReadyQueue((one, other) => one < other, () => 4);
  queue.add(0, large);
  for (let node = 1; node < 20; node++) queue.add(node, ONE_SLOT);
  assertEquals(takeInto(queue, 1, 99), [1, 2, 3, 4]);
  assertEquals(takeInto(queue, 2, 1), [0]);
  assertEquals(takeInto(queue, 1, 2), [5, 6]);
});

test("ReadyQueue counts the passes after the last start of a task with the same needs", () => {
  const resources = new Resources([]);
  const large = resources.demandOf({ cmd: "x", slots: 2 }, 2, 1);
  const queue = new ReadyQueue((one, other) => one < other, () => 2);
  for (const node of [0, 1]) queue.add(node, large);
  for (let node = 2; node < 20; node++) queue.add(node, ONE_SLOT);
  assertEquals([takeInto(queue, 1, 99), takeInto(queue, 2, 1)], [[2, 3], [0]]);
  assertEquals([takeInto(queue, 1, 99), takeInto(queue, 2, 1)], [[4, 5], [1]]);
});

test("ReadyQueue protects each task that has been passed too often, not only the first one", () => {
  const resources = new Resources(SETTINGS);
  const unit = resources.demandOf({ cmd: "x", uses: { a: 1 } }, 3, 1);
  const held = resources.allocate(resources.demandOf({ cmd: "x", uses: { a: 2 } }, 3, 1));
  const large = resources.demandOf({ cmd: "x", slots: 3 }, 3, 1);
  const queue = new ReadyQueue((one, other) => one < other, () => 2);
  queue.add(0, unit);
  queue.add(1, large);
  for (let node = 2; node < 20; node++) queue.add(node, ONE_SLOT);
  assertEquals(takeInto(queue, 2, 99), [2, 3]);
  resources.release(held);
  // The first one may start before the second one, although both have been passed.
  assertEquals(takeInto(queue, 2, 99), [0]);
  assertEquals(takeInto(queue, 3, 1), [1]);
});

test("ReadyQueue lets tasks pass that take nothing of what is waited for", () => {
  const resources = new Resources(SETTINGS);
  const demand = (slots: number, uses: Record<string, number>) => resources.demandOf({ cmd: "x", slots, uses }, 3, 1);
  const held = resources.allocate(demand(1, { a: 1 }));
  const queue = new ReadyQueue((one, other) => one < other, () => 0);
  queue.add(0, demand(1, { a: 2 }));
  queue.add(1, demand(1, { b: 3 }));
  queue.add(2, demand(1, { a: 1 }));
  queue.add(3, ONE_SLOT);
  assertEquals(takeInto(queue, 2, 99), [1, 3]);
  resources.release(held);
  assertEquals(takeInto(queue, 2, 1), [0]);
  assert(queue.hasNext(2, any));
});
