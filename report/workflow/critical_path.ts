import type { ResultGraph } from "./result_graph.ts";

/** The time of a link of a critical path, in milliseconds. */
export interface LinkTimes {
  /** From the end of the last prerequisite, or from the start of the run, to the start of the first attempt. */
  waitingMs: number;
  /** The time in which attempts ran. */
  runningMs: number;
  /** The time between attempts. */
  backoffMs: number;
}

/**
 * Returns the chain of tasks that decided the duration of a run, first task first: the task that ended last of those that ran,
 * before it that prerequisite of it which ended last, and so on. Empty if no task ran.
 */
export function criticalPath(graph: ResultGraph): number[] {
  let last: number | undefined;
  for (let node = 0; node < graph.size; node++) {
    if (graph.outcomeOf(node) === undefined || graph.attemptsOf(node) === 0) continue;
    if (last === undefined || graph.endOf(node) > graph.endOf(last)) last = node;
  }
  const path = new Set<number>();
  // A file that another program has written could have a cycle.
  while (last !== undefined && !path.has(last)) {
    path.add(last);
    last = lastPrerequisite(graph, last);
  }
  return [...path].reverse();
}

/** Returns the prerequisite that ended last; `undefined` without prerequisites that have a result. */
function lastPrerequisite(graph: ResultGraph, node: number): number | undefined {
  let last: number | undefined;
  for (const prerequisite of graph.prerequisitesOf(node)) {
    if (graph.outcomeOf(prerequisite) === undefined) continue;
    if (last === undefined || graph.endOf(prerequisite) > graph.endOf(last)) last = prerequisite;
  }
  return last;
}

/**
 * Returns the times of a task of a critical path.
 *
 * @param readyMs the time from which the task could start.
 */
export function linkTimes(graph: ResultGraph, node: number, readyMs: number): LinkTimes {
  return {
    // Starts are accurate to a millisecond, so that a task can seem to start before its prerequisite ended.
    waitingMs: Math.max(0, graph.startOf(node) - readyMs),
    runningMs: graph.runningMsOf(node),
    backoffMs: graph.backoffMsOf(node),
  };
}
