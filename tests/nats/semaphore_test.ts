import { assertEquals } from "@std/assert/equals";
import { Semaphore } from "../../nats/client/semaphore.ts";
import { test } from "../support/test.ts";

test("Semaphore.tryAcquire() takes the free permit with the lowest number", () => {
  const semaphore = new Semaphore(3);
  assertEquals([1, 2, 3, 4].map(() => semaphore.tryAcquire()), [1, 2, 3, undefined]);
  semaphore.release(3);
  semaphore.release(2);
  assertEquals(semaphore.free, 2);
  assertEquals([1, 2, 3].map(() => semaphore.tryAcquire()), [2, 3, undefined]);
});

test("Semaphore.run() starts actions in order, and never runs more actions than it has permits", async () => {
  const semaphore = new Semaphore(2);
  const started: number[] = [];
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const runs = gates.map(({ promise }, index) =>
    semaphore.run(() => {
      started.push(index);
      return promise;
    })
  );
  assertEquals(started, [0, 1]);
  gates[1]!.resolve();
  await runs[1];
  assertEquals([started, semaphore.tryAcquire()], [[0, 1, 2], undefined]);
  for (const { resolve } of gates) resolve();
  await Promise.all(runs);
  assertEquals([started, semaphore.free], [[0, 1, 2, 3, 4], 2]);
});

test("Semaphore.run() releases the permit of an action that fails", async () => {
  const semaphore = new Semaphore(1);
  const error = new Error("no");
  assertEquals(await semaphore.run(() => Promise.reject(error)).catch((reason) => reason), error);
  assertEquals(semaphore.free, 1);
});

test("Semaphore.whenFree() settles when a permit is free, and when woken", async () => {
  const semaphore = new Semaphore(1);
  await semaphore.whenFree();
  const permit = semaphore.tryAcquire()!;
  const woken = semaphore.whenFree();
  semaphore.wake();
  await woken;
  const released = semaphore.whenFree();
  semaphore.release(permit);
  await released;
});
