import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import { remainingTimes } from "../../graph/critical_path.ts";
import { topologicalOrder } from "../../graph/topological_order.ts";
import { EFFORT, SEED } from "../support/helpers.ts";
import { type RandomGraph, randomGraphs, reachableFrom } from "../support/random_graphs.ts";
import { test } from "../support/test.ts";

/** Returns, by node, whether the node is in a cycle or waits for one. */
function areStuck({ prerequisites }: RandomGraph): boolean[] {
  const reached = prerequisites.map((_, node) => reachableFrom(node, prerequisites));
  return reached.map((nodes, node) => [node, ...nodes].some((other) => reached[other]!.has(other)));
}

test("topologicalOrder() has all nodes that do not wait for a cycle, after their prerequisites", () => {
  const property = fc.property(randomGraphs, (random) => {
    const order = [...topologicalOrder(random.graph)];
    const isStuck = areStuck(random);
    assertEquals(order.toSorted((a, b) => a - b), [...isStuck.keys()].filter((node) => !isStuck[node]));
    for (const [index, node] of order.entries()) {
      for (const prerequisite of random.prerequisites[node]!) assertEquals(order.indexOf(prerequisite) < index, true);
    }
  });
  fc.assert(property, { numRuns: 500 * EFFORT, seed: SEED });
});

test("remainingTimes() adds up the durations on the longest way to the end", () => {
  const durations = fc.array(fc.nat({ max: 9 }), { minLength: 12, maxLength: 12 });
  const property = fc.property(randomGraphs, durations, (random, durations) => {
    const isStuck = areStuck(random);
    const timeOf = (node: number): number => {
      if (isStuck[node]) return 0;
      const dependents = [...random.prerequisites.keys()].filter((other) =>
        random.prerequisites[other]!.includes(node)
      );
      return durations[node]! + Math.max(0, ...dependents.map(timeOf));
    };
    const expected = random.prerequisites.map((_, node) => timeOf(node));
    assertEquals([...remainingTimes(random.graph, (node) => durations[node]!)], expected);
  });
  fc.assert(property, { numRuns: 500 * EFFORT, seed: SEED });
});
