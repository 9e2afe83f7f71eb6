import type { TaskGraph } from "./task_graph.ts";

/** Returns the nodes in an order in which prerequisites come first. Omits nodes in a cycle and nodes that wait for a cycle. */
export function topologicalOrder(graph: TaskGraph): Uint32Array {
  const order = new Uint32Array(graph.size);
  const missing = new Uint32Array(graph.size);
  let end = 0;
  for (let node = 0; node < graph.size; node++) {
    missing[node] = graph.prerequisiteCount(node);
    if (missing[node] === 0) order[end++] = node;
  }
  for (let begin = 0; begin < end; begin++) {
    graph.forEachDependent(order[begin]!, (dependent) => {
      if (--missing[dependent]! === 0) order[end++] = dependent;
    });
  }
  return order.subarray(0, end);
}
