import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { MemoryTasks } from "../../../pool/workflow/memory_tasks.ts";
import type { CheckedTask } from "../../../records/task.ts";
import { EFFORT, SEED } from "../../support/helpers.ts";
import { test } from "../../support/test.ts";

test("MemoryTasks returns each task, and counts the memory of the others", () => {
  const task: fc.Arbitrary<CheckedTask> = fc.record({
    cmd: fc.oneof(fc.string(), fc.array(fc.string(), { minLength: 1 })),
    meta: fc.jsonValue(),
  });
  const property = fc.property(fc.array(task), fc.infiniteStream(fc.nat()), (tasks, order) => {
    const held = new MemoryTasks();
    const sizes = tasks.map((task, node) => {
      const before = held.heldBytes;
      held.hold(node, task);
      return held.heldBytes - before;
    });
    const left = tasks.map((_, node) => node);
    while (left.length > 0) {
      const [node] = left.splice(order.next().value % left.length, 1) as [number];
      assertEquals(held.take(node) === tasks[node], true);
      assertThrows(() => held.take(node), TypeError); // the task is forgotten
      assertEquals(held.heldBytes, left.reduce((sum, other) => sum + sizes[other]!, 0));
    }
  });
  fc.assert(property, { numRuns: 100 * EFFORT, seed: SEED });
});

test("the memory of a task is about that of its text and bytes, besides 200 bytes", () => {
  const sizeOf = (task: CheckedTask) => {
    const held = new MemoryTasks();
    held.hold(1, task);
    return held.heldBytes;
  };
  const empty = sizeOf({ cmd: "" });
  assertEquals(empty, 200 + "cmd".length);
  assertEquals(sizeOf({ cmd: "x".repeat(1_000) }) - empty, 1_000);
  assertEquals(sizeOf({ cmd: ["x".repeat(10), "y"] }), 200 + "cmd".length + "0".length + 10 + "1".length + 1);
  assertEquals(sizeOf({ cmd: "", stdin: new Uint8Array(5_000) }) - empty, "stdin".length + 5_000);
  assertEquals(sizeOf({ cmd: "", meta: { key: "abc", flag: null, count: 5 } }) - empty, 4 + 3 + 3 + 4 + 8 + 5 + 8);
  assertEquals(sizeOf({ cmd: "", env: { A: undefined } }) - empty, 3 + 1 + 8);
});
