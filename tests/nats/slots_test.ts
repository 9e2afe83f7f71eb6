import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { type SlotQueue, Slots } from "../../nats/worker/slots.ts";
import { waitFor } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Adds a run to slots. Returns its queue, the tasks that have started with their slots, and the returned tasks. */
function addRun(slots: Slots) {
  const started: [task: string, slot: number][] = [];
  const returned: string[] = [];
  const queue = slots.addQueue<string>({
    start: (task, slot) => started.push([task, slot]),
    giveBack: (task) => returned.push(task),
  });
  return { queue, started, returned };
}

/** Runs tasks of the given duration in the only slot, until the run may take some of them ahead. */
async function runShortTasks(slots: Slots, queue: SlotQueue<string>, started: unknown[], durationMs = 1) {
  await waitFor("short tasks", () => {
    for (let count = 0; count < 50; count++) {
      assert(queue.tryAdd("short"));
      slots.release(1, durationMs);
    }
    return queue.room > 4;
  });
  started.length = 0;
}

test("Slots start each task in the free slot with the lowest number, and no task beyond", () => {
  const slots = new Slots(2);
  const { queue, started } = addRun(slots);
  assertEquals(["a", "b", "c"].map((task) => queue.tryAdd(task)), [true, true, false]);
  slots.release(2, 1);
  assertEquals([slots.free, queue.room], [1, 1]);
  assert(queue.tryAdd("d"));
  assertEquals([started, slots.free, queue.room], [[["a", 1], ["b", 2], ["d", 2]], 0, 0]);
});

test("no task waits for a slot while tasks are long", async () => {
  const slots = new Slots(1);
  const { queue, started } = addRun(slots);
  await runShortTasks(slots, queue, started);
  await waitFor("a period with long tasks", () => {
    queue.tryAdd("long");
    slots.release(1, 10_000);
    return queue.room === 1;
  });
  assert(queue.tryAdd("running"));
  assertEquals([queue.room, queue.tryAdd("waiting")], [0, false]);
});

test("no task waits after a pause without the end of a task", async () => {
  const slots = new Slots(1);
  const { queue, started } = addRun(slots);
  await runShortTasks(slots, queue, started);
  assert(queue.tryAdd("running"));
  await waitFor("the pause", () => queue.room === 0);
  assertEquals(queue.tryAdd("waiting"), false);
});

test("while tasks are short, some wait for a slot, and start in their order", async () => {
  const slots = new Slots(1);
  const { queue, started } = addRun(slots);
  await runShortTasks(slots, queue, started);
  assert(["a", "b", "c"].every((task) => queue.tryAdd(task)));
  assertEquals([started, queue.size], [[["a", 1]], 2]);
  slots.release(1, 1);
  slots.release(1, 1);
  assertEquals([started, queue.size], [[["a", 1], ["b", 1], ["c", 1]], 0]);
});

test("the number of waiting tasks is limited, and a run with enough of them takes no more", async () => {
  const slots = new Slots(1);
  const { queue, started } = addRun(slots);
  await runShortTasks(slots, queue, started);
  while (queue.tryAdd("waiting"));
  assert(queue.size <= 32);
  assertEquals(queue.room, 0);
  slots.release(1, 1);
  assertEquals([queue.room, slots.free], [0, 0]);
});

test("the tasks of runs that share slots start in turn", async () => {
  const slots = new Slots(1);
  const [first, second] = [addRun(slots), addRun(slots)];
  await runShortTasks(slots, first.queue, first.started);
  for (const task of ["a", "b", "c"]) assert(first.queue.tryAdd(task));
  for (const task of ["d", "e"]) assert(second.queue.tryAdd(task));
  slots.release(1, 1);
  slots.release(1, 1);
  assertEquals([first.started.length, second.started.length], [2, 1]);
  slots.removeQueue(first.queue);
  slots.release(1, 1);
  assertEquals([first.started.length, second.started.length], [2, 2]);
  assertEquals(first.queue.takeAll(), ["c"]);
});

test("a task that waits behind a long one is returned, and no further task waits", async () => {
  const slots = new Slots(1);
  const { queue, started, returned } = addRun(slots);
  await runShortTasks(slots, queue, started);
  for (const task of ["long", "a", "b"]) assert(queue.tryAdd(task));
  await waitFor("the tasks to be returned", () => returned.length === 2);
  assertEquals([started, returned, queue.size, queue.room], [[["long", 1]], ["a", "b"], 0, 0]);
});

test("SlotQueue.whenRoom() settles when a slot is free, and when woken to end", async () => {
  const slots = new Slots(1);
  const { queue } = addRun(slots);
  await queue.whenRoom(() => false);
  queue.tryAdd("a");
  let isEnding = false;
  const ending = queue.whenRoom(() => isEnding);
  isEnding = true;
  slots.wake();
  await ending;
  const room = queue.whenRoom(() => false);
  slots.release(1, 1);
  await room;
});
