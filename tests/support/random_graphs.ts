/** Generates random graphs of tasks. */

import fc from "fast-check";
import { TaskGraph } from "../../graph/task_graph.ts";

/** A graph, and the prerequisites of each node. */
export interface RandomGraph {
  graph: TaskGraph;
  prerequisites: number[][];
}

/** Random graphs. The position of a node in the input is not its number. */
export const randomGraphs: fc.Arbitrary<RandomGraph> = fc.record({
  numbers: fc.array(fc.array(fc.nat({ max: 1_000 }), { maxLength: 3 }), { maxLength: 12, size: "max" }),
  isAcyclic: fc.boolean(),
  isReversed: fc.boolean(),
}).map(({ numbers, isAcyclic, isReversed }) => {
  const graph = new TaskGraph();
  const { length } = numbers;
  const prerequisites = numbers.map((wanted, node) => {
    if (!isAcyclic) return wanted.map((number) => number % length);
    return node === 0 ? [] : wanted.map((number) => number % node);
  });
  for (let node = 0; node < length; node++) {
    graph.declare(graph.nodeOf(`${node}`), isReversed ? length - node : node + 1);
  }
  prerequisites.forEach((ids, node) => graph.setPrerequisites(node, ids));
  return { graph, prerequisites };
});

/** Returns the nodes for which a node waits, directly or through others. */
export function reachableFrom(node: number, prerequisites: readonly number[][]): Set<number> {
  const reached = new Set<number>();
  const visit = (node: number) => {
    for (const next of prerequisites[node]!) {
      if (reached.has(next)) continue;
      reached.add(next);
      visit(next);
    }
  };
  visit(node);
  return reached;
}
