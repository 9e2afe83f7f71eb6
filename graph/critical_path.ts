import type { TaskGraph } from "./task_graph.ts";
import { topologicalOrder } from "./topological_order.ts";

/**
 * Returns, by node, the time from the start of the task to the end of the last task that waits for it, directly or through
 * others, when each task starts as soon as its prerequisites have ended. The time is 0 for a node in a cycle.
 *
 * @param durationOf Returns the duration of a task.
 */
export function remainingTimes(graph: TaskGraph, durationOf: (node: number) => number): Float64Array {
  const order = topologicalOrder(graph);
  const times = new Float64Array(graph.size);
  for (let index = order.length - 1; index >= 0; index--) {
    const node = order[index]!;
    let longest = 0;
    graph.forEachDependent(node, (dependent) => {
      longest = Math.max(longest, times[dependent]!);
    });
    times[node] = durationOf(node) + longest;
  }
  return times;
}
