import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import { bytesOfId, IdTable } from "../../graph/id_table.ts";
import { TaskGraph } from "../../graph/task_graph.ts";
import { EFFORT, SEED } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Ids that are easily confused. */
const ids = fc.oneof(
  fc.constantFrom(
    "",
    "\ud800",
    "\udc00\ud800",
    "\ufeff",
    "\ufeffa",
    "a",
    "a\0",
    "\u{1f600}",
    "\xfe\0\0\0\x01",
    "\xff",
    "1",
  ),
  fc.string({ unit: "binary" }),
  fc.array(fc.nat({ max: 0xffff })).map((codes) => String.fromCharCode(...codes)),
  fc.nat({ max: 5 }),
);

test("TaskGraph numbers ids in the order in which they are first named, and gives them back", () => {
  const property = fc.property(fc.array(ids, { maxLength: 300 }), (ids) => {
    const graph = new TaskGraph();
    const nodes = new Map<string, number>();
    for (const id of ids.map(String)) {
      assertEquals(graph.find(id), nodes.get(id) ?? -1);
      if (!nodes.has(id)) nodes.set(id, nodes.size);
      assertEquals(graph.nodeOf(id), nodes.get(id)!);
      const bytes = bytesOfId(id);
      assertEquals(graph.nodeOfBytes(new Uint8Array([7, ...bytes, 7]), 1, 1 + bytes.length), nodes.get(id)!);
    }
    for (const [id, node] of nodes) {
      assertEquals([graph.idOf(node), graph.hasId(node), graph.positionOf(node)], [id, true, 0]);
    }
    assertEquals(graph.size, nodes.size);
  });
  fc.assert(property, { numRuns: 200 * EFFORT, seed: SEED });
});

test("TaskGraph knows the prerequisites and the dependents of each node", () => {
  const task = fc.record({ id: fc.option(ids, { nil: undefined }), after: fc.array(ids, { maxLength: 4 }) });
  const property = fc.property(fc.array(task, { maxLength: 150 }), (tasks) => {
    const graph = new TaskGraph();
    const declared = new Map<string, number>();
    const expected = new Map<number, string[]>();
    tasks.forEach(({ id, after }, index) => {
      const position = index + 1;
      const node = id === undefined ? graph.addWithoutId(position) : graph.nodeOf(String(id));
      if (id !== undefined) {
        assertEquals(graph.declare(node, position), !declared.has(String(id)));
        if (declared.has(String(id))) return;
        declared.set(String(id), position);
      }
      assertEquals([graph.hasId(node), graph.positionOf(node)], [id !== undefined, position]);
      graph.setPrerequisites(node, after);
      expected.set(node, after.map(String));
    });
    const dependents = new Map<string, number[]>();
    for (let node = 0; node < graph.size; node++) {
      const prerequisites = expected.get(node) ?? [];
      assertEquals(graph.prerequisiteCount(node), prerequisites.length);
      prerequisites.forEach((id, index) => {
        assertEquals(graph.prerequisiteAt(node, index), graph.find(id));
        dependents.set(id, [...dependents.get(id) ?? [], node]);
      });
    }
    assertEquals(graph.edgeCount, [...expected.values()].flat().length);
    for (let node = 0; node < graph.size; node++) {
      const actual: number[] = [];
      graph.forEachDependent(node, (dependent) => actual.push(dependent));
      const wanted = graph.hasId(node) ? dependents.get(graph.idOf(node)) ?? [] : [];
      assertEquals(actual.sort((a, b) => a - b), wanted.sort((a, b) => a - b));
      assertEquals(graph.hasDependents(node), wanted.length > 0);
    }
  });
  fc.assert(property, { numRuns: 200 * EFFORT, seed: SEED });
});

test("TaskGraph continues a table of ids of any size", () => {
  for (const size of [0, 1, 63, 64, 65, 1_000]) {
    const table = new IdTable();
    for (let number = 0; number < size; number++) {
      const bytes = bytesOfId(`${number}`);
      table.add(bytes, 0, bytes.length);
    }
    const graph = new TaskGraph(table);
    const node = graph.nodeOf("new");
    graph.setPrerequisites(node, Array.from({ length: size }, (_, number) => number));
    assertEquals([graph.size, node, graph.edgeCount], [size + 1, size, size]);
    if (size > 0) assertEquals([graph.prerequisiteAt(node, size - 1), graph.positionOf(size - 1)], [size - 1, 0]);
  }
});

test("TaskGraph reports its memory, about 50 bytes for each task and 12 for each prerequisite", () => {
  const graph = new TaskGraph();
  const before = graph.heldBytes;
  for (let number = 0; number < 10_000; number++) {
    graph.setPrerequisites(graph.nodeOf(`task ${number}`), number === 0 ? [] : [`task ${number - 1}`]);
  }
  const bytes = (graph.heldBytes - before) / 10_000;
  assertEquals(bytes > 60 && bytes < 130, true, `${bytes} bytes`); // at most twice the sum, as the arrays grow
});
