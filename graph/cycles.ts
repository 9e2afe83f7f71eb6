import type { TaskGraph } from "./task_graph.ts";
import { topologicalOrder } from "./topological_order.ts";

/** Nodes that wait for each other, directly or through others in the group. */
export interface Cycle {
  /** All nodes of the group, in the order of the input. */
  members: number[];
  /** A shortest cycle through the first member: each node waits for the next, and the last for the first. */
  path: number[];
}

/**
 * Returns the cycles of a graph, in the order of their first members. Each node is in at most one.
 *
 * @param isIgnored Returns whether to leave a node out.
 */
export function cyclesOf(graph: TaskGraph, isIgnored: (node: number) => boolean = () => false): Cycle[] {
  const order = topologicalOrder(graph);
  if (order.length === graph.size) return [];
  const isLeftOut = Uint8Array.from({ length: graph.size }, (_, node) => isIgnored(node) ? 1 : 0);
  for (const node of order) isLeftOut[node] = 1;
  const byPosition = (one: number, other: number) => graph.positionOf(one) - graph.positionOf(other);
  return groupsOf(graph, isLeftOut)
    .map((members) => {
      members.sort(byPosition);
      return { members, path: shortestCycle(graph, members) };
    })
    .sort((one, other) => byPosition(one.members[0]!, other.members[0]!));
}

/** Returns the strongly connected components that are cycles, by the algorithm of Tarjan without recursion. */
function groupsOf(graph: TaskGraph, isLeftOut: Uint8Array): number[][] {
  const groups: number[][] = [];
  /** By node: when the node was visited, from 1, and the earliest visited node of its component that it leads to. */
  const visits = new Uint32Array(graph.size);
  const earliest = new Uint32Array(graph.size);
  /** By node: the number of prerequisites that have been followed. */
  const followed = new Uint32Array(graph.size);
  const isOpen = new Uint8Array(graph.size);
  const open: number[] = [];
  let visited = 0;
  for (let root = 0; root < graph.size; root++) {
    if (visits[root] !== 0 || isLeftOut[root]) continue;
    const trail = [root];
    while (trail.length > 0) {
      const node = trail.at(-1)!;
      if (visits[node] === 0) {
        visits[node] = earliest[node] = ++visited;
        isOpen[node] = 1;
        open.push(node);
      }
      if (followed[node]! < graph.prerequisiteCount(node)) {
        const next = graph.prerequisiteAt(node, followed[node]!++);
        if (isLeftOut[next]) continue;
        if (visits[next] === 0) trail.push(next);
        else if (isOpen[next]) earliest[node] = Math.min(earliest[node]!, visits[next]!);
        continue;
      }
      trail.pop();
      const parent = trail.at(-1);
      if (parent !== undefined) earliest[parent] = Math.min(earliest[parent]!, earliest[node]!);
      if (earliest[node] !== visits[node]) continue;
      const group = open.splice(open.lastIndexOf(node));
      for (const member of group) isOpen[member] = 0;
      if (group.length > 1 || waitsForItself(graph, node)) groups.push(group);
    }
  }
  return groups;
}

function waitsForItself(graph: TaskGraph, node: number): boolean {
  for (let index = 0; index < graph.prerequisiteCount(node); index++) {
    if (graph.prerequisiteAt(node, index) === node) return true;
  }
  return false;
}

/** Searches breadth first from the first member, within the group, until a node waits for the first member. */
function shortestCycle(graph: TaskGraph, members: readonly number[]): number[] {
  const first = members[0]!;
  const group = new Set(members);
  const cameFrom = new Map<number, number>();
  const queue = [first];
  for (let at = 0;; at++) {
    const node = queue[at]!;
    for (let index = 0; index < graph.prerequisiteCount(node); index++) {
      const next = graph.prerequisiteAt(node, index);
      if (next === first) {
        const path = [node];
        while (path.at(-1) !== first) path.push(cameFrom.get(path.at(-1)!)!);
        return path.reverse();
      }
      if (!group.has(next) || cameFrom.has(next)) continue;
      cameFrom.set(next, node);
      queue.push(next);
    }
  }
}
