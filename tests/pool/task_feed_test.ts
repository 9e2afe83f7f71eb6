import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import fc from "fast-check";
import type { Source } from "../../jsonl/source.ts";
import type { Job } from "../../pool/job.ts";
import { poolSettings } from "../../pool/options.ts";
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
      assertEquals(queue.hasNext(1, true), expected.length > 0);
    }
    queue.finishAdding();
    assertEquals(queue.hasEnded, expected.length === 0);
    assertEquals(queue.end(), { jobs: expected, positions: [] });
    assertEquals([queue.hasEnded, queue.hasNext(1, true)], [true, false]);
  });
  fc.assert(property, { numRuns: 500 * EFFORT, seed: SEED });
});

function feedOf(source: Source<unknown>): SourceFeed {
  const settings = poolSettings({ concurrency: 2 }, undefined, { reportsOutput: false });
  return new SourceFeed(source, { isWorkflow: undefined, isReadFirst: false }, settings, () => 2);
}

/** Fails on an error of the source. */
const failOnError = (error: unknown) => {
  throw error;
};

test("SourceFeed reads one task at a time, and returns the task that was read ahead when it ends", async () => {
  const feed = feedOf([{ cmd: "a" }, { cmd: "b" }, { cmd: "c" }]);
  const reading = feed.fill(failOnError, false);
  assertEquals(feed.fill(failOnError, false), undefined);
  await reading;
  assertEquals([feed.hasNext(1, true), feed.fill(failOnError, false)], [true, undefined]);
  assertEquals(feed.take(1, true)?.id, "1");
  await feed.fill(failOnError, false);
  assertEquals(feed.end().jobs.map(({ id }) => id), ["2"]);
  assertEquals([feed.hasNext(1, true), feed.hasEnded, feed.fill(failOnError, false)], [false, true, undefined]);
  assertEquals(feed.end(), { jobs: [], positions: [] });
  await feed.released;
});

test("SourceFeed drops a task that arrives after its end", async () => {
  const read = Promise.withResolvers<IteratorResult<unknown>>();
  const feed = feedOf({ [Symbol.asyncIterator]: () => ({ next: () => read.promise }) });
  const reading = feed.fill(failOnError, false);
  assertEquals(feed.end(), { jobs: [], positions: [] });
  read.resolve({ done: false, value: { cmd: "late" } });
  await reading;
  assertEquals([feed.hasNext(1, true), feed.hasEnded], [false, true]);
});

test("SourceFeed drops a task when the run ends while a module for the task is loading", async () => {
  for (const task of [{ cmd: "a", priority: 1 }, { id: "a", cmd: "a" }]) {
    // The command is read when the task is checked, just before the module is loaded.
    const value = {
      ...task,
      get cmd() {
        queueMicrotask(() => feed.end());
        return "a";
      },
    };
    const feed: SourceFeed = feedOf([value]);
    await feed.fill(failOnError, false);
    assertEquals([feed.workflow, feed.hasNext(1, true), feed.hasEnded], [undefined, false, true]);
  }
});

test("SourceFeed reports a buffered value that is not a task when it reads it again", async () => {
  const feed = feedOf([{ cmd: "a" }, { cmd: 1 }, { cmd: "b" }]);
  const errors: unknown[] = [];
  const fill = () => feed.fill((error) => errors.push(error), false);
  await fill();
  assertEquals([feed.take(1, true)?.id, feed.hasNext(1, true), errors.length], ["1", false, 0]);
  await fill();
  assertEquals(errors.length, 1);
  assertStringIncludes(String(errors[0]), 'Cannot read task 2: "cmd" must be');
  assertEquals(feed.end(), { jobs: [], positions: [] });
});
