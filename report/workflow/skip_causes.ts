import type { Outcome } from "../../records/result.ts";
import type { ResultGraph } from "./result_graph.ts";

/** The reason for which tasks were skipped. */
export interface SkipCause {
  /** The task that caused it; of a cycle, a member; of a skipped task without prerequisites, the task. */
  node: number;
  /** The outcome of that task; `missing` if it has no result, and `cycle` for tasks that wait for each other. */
  kind: Outcome | "missing" | "cycle";
  /** The tasks that were skipped for this reason. */
  skipped: number[];
}

/**
 * Returns the reasons for which tasks were skipped, the most frequent first. The cause of a skipped task is its first
 * prerequisite without a result, or the first that is not `ok`; if all are, the task runs only after a failure, and the cause
 * is the first prerequisite. If the cause was skipped, its own cause counts.
 */
export function skipCauses(graph: ResultGraph): SkipCause[] {
  /** By node: the node that caused the skip, plus 1; 0 for not known yet. */
  const roots = new Uint32Array(graph.size);
  const causes = new Map<number, SkipCause>();
  for (let node = 0; node < graph.size; node++) {
    if (graph.outcomeOf(node) !== "skipped") continue;
    const trail = new Set<number>();
    let root = node;
    while (graph.outcomeOf(root) === "skipped" && roots[root] === 0 && !trail.has(root)) {
      trail.add(root);
      root = directCause(graph, root) ?? root;
    }
    const isCycle = trail.has(root) && directCause(graph, root) !== undefined;
    if (roots[root] !== 0) root = roots[root]! - 1;
    else if (!causes.has(root)) {
      const kind = isCycle ? "cycle" : graph.outcomeOf(root) ?? "missing";
      causes.set(root, { node: root, kind, skipped: [] });
    }
    for (const member of trail) roots[member] = root + 1;
    causes.get(root)!.skipped.push(node);
  }
  return [...causes.values()].sort((one, other) => other.skipped.length - one.skipped.length);
}

/** Returns the prerequisite because of which a task was skipped; `undefined` for a task without prerequisites. */
function directCause(graph: ResultGraph, node: number): number | undefined {
  const prerequisites = graph.prerequisitesOf(node);
  return prerequisites.find((prerequisite) => graph.outcomeOf(prerequisite) === undefined) ??
    prerequisites.find((prerequisite) => graph.outcomeOf(prerequisite) !== "ok") ?? prerequisites[0];
}
