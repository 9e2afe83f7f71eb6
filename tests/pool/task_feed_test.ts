import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import type { Job } from "../../pool/job.ts";
import { createJob, SourceFeed, TaskQueue } from "../../pool/task_feed.ts";
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

/** Fails on an error of the source. */
const failOnError = (error: unknown) => {
  throw error;
};

test("SourceFeed reads one task at a time, and returns the task that was read ahead when it ends", async () => {
  const feed = new SourceFeed([{ cmd: "a" }, { cmd: "b" }, { cmd: "c" }]);
  const reading = feed.fill(failOnError);
  assertEquals(feed.fill(failOnError), undefined);
  await reading;
  assertEquals([feed.next!.id, feed.fill(failOnError)], ["1", undefined]);
  assertEquals(feed.take().id, "1");
  await feed.fill(failOnError);
  assertEquals(feed.end().map(({ id }) => id), ["2"]);
  assertEquals([feed.next, feed.hasEnded, feed.fill(failOnError)], [undefined, true, undefined]);
  assertEquals(feed.end(), []);
  await feed.released;
});

test("SourceFeed drops a task that arrives after its end", async () => {
  const read = Promise.withResolvers<IteratorResult<unknown>>();
  const feed = new SourceFeed({ [Symbol.asyncIterator]: () => ({ next: () => read.promise }) });
  const reading = feed.fill(failOnError);
  assertEquals(feed.end(), []);
  read.resolve({ done: false, value: { cmd: "late" } });
  await reading;
  assertEquals([feed.next, feed.hasEnded], [undefined, true]);
});
