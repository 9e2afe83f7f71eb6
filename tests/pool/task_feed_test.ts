import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import type { Job } from "../../pool/job.ts";
import { createJob, TaskQueue } from "../../pool/task_feed.ts";
import { EFFORT, SEED } from "../support/helpers.ts";
import { test } from "../support/test.ts";

test("TaskQueue keeps the order of tasks while others are taken or removed", () => {
  const actions = fc.array(fc.record({ action: fc.constantFrom("add", "add", "take", "remove"), which: fc.nat(9) }));
  const property = fc.property(actions, (actions) => {
    const queue = new TaskQueue();
    const expected: Job[] = [];
    const removed: Job[] = [];
    for (const [index, { action, which }] of actions.entries()) {
      if (action === "add") {
        const job = createJob({ cmd: "x" }, index + 1);
        queue.add(job);
        expected.push(job);
      } else if (action === "take") {
        if (expected.length === 0) continue;
        removed.push(queue.take());
        assertEquals(removed.at(-1), expected.shift());
      } else {
        const [job] = expected.splice(which, 1);
        if (job) removed.push(job);
        assertEquals(job === undefined || queue.remove!(job), true);
        assertEquals(removed[0] !== undefined && queue.remove!(removed[0]), false);
      }
      assertEquals(queue.next, expected[0]);
    }
    queue.finish();
    assertEquals(queue.hasEnded, expected.length === 0);
    assertEquals(queue.end(), expected);
    assertEquals([queue.hasEnded, queue.next], [true, undefined]);
  });
  fc.assert(property, { numRuns: 500 * EFFORT, seed: SEED });
});
