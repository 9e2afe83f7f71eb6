import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import { cyclesOf } from "../../graph/cycles.ts";
import { TaskGraph } from "../../graph/task_graph.ts";
import { EFFORT, SEED } from "../support/helpers.ts";
import { randomGraphs, reachableFrom } from "../support/random_graphs.ts";
import { test } from "../support/test.ts";

/** Returns the length of a shortest cycle through a node, by trying all paths. */
function shortestLength(first: number, prerequisites: readonly number[][]): number {
  let nodes = new Set([first]);
  for (let length = 1;; length++) {
    nodes = new Set([...nodes].flatMap((node) => prerequisites[node]!));
    if (nodes.has(first)) return length;
  }
}

test("cyclesOf() finds the groups of nodes that wait for each other, and a shortest cycle of each", () => {
  const ignored = fc.array(fc.nat({ max: 11 }), { maxLength: 3 });
  const property = fc.property(randomGraphs, ignored, ({ graph, prerequisites }, ignored) => {
    const left = prerequisites.map((ids, node) =>
      ignored.includes(node) ? [] : ids.filter((id) => !ignored.includes(id))
    );
    const reached = left.map((_, node) => reachableFrom(node, left));
    const byPosition = (one: number, other: number) => graph.positionOf(one) - graph.positionOf(other);
    const expected: number[][] = [];
    for (const node of left.keys()) {
      if (!reached[node]!.has(node) || expected.some((group) => group.includes(node))) continue;
      expected.push([...reached[node]!].filter((other) => reached[other]!.has(node)).sort(byPosition));
    }
    expected.sort(([one], [other]) => byPosition(one!, other!));
    const cycles = ignored.length === 0 ? cyclesOf(graph) : cyclesOf(graph, (node) => ignored.includes(node));
    assertEquals(cycles.map(({ members }) => members), expected);
    for (const { members, path } of cycles) {
      assertEquals([path[0], path.length], [members[0], shortestLength(members[0]!, left)]);
      path.forEach((node, index) => assert(left[node]!.includes(path[(index + 1) % path.length]!)));
    }
  });
  fc.assert(property, { numRuns: 500 * EFFORT, seed: SEED });
});

test("cyclesOf() finds long cycles without recursion", () => {
  const size = 100_000;
  const graph = new TaskGraph();
  for (let node = 0; node < size; node++) graph.declare(graph.nodeOf(`${node}`), node + 1);
  for (let node = 0; node < size; node++) graph.setPrerequisites(node, [(node + 1) % size]);
  const [cycle, ...others] = cyclesOf(graph);
  assertEquals([cycle!.members.length, cycle!.path.length, others.length], [size, size, 0]);
});
