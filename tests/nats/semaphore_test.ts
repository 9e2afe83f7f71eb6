import { assertEquals } from "@std/assert/equals";
import { Semaphore } from "../../nats/client/semaphore.ts";
import { test } from "../support/test.ts";

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
  assertEquals(started, [0, 1, 2]);
  for (const { resolve } of gates) resolve();
  await Promise.all(runs);
  assertEquals(started, [0, 1, 2, 3, 4]);
});

test("Semaphore.run() releases the permit of an action that fails", async () => {
  const semaphore = new Semaphore(1);
  const error = new Error("no");
  assertEquals(await semaphore.run(() => Promise.reject(error)).catch((reason) => reason), error);
  assertEquals(await semaphore.run(() => Promise.resolve(7)), 7);
});
