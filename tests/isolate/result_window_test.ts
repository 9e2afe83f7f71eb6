import { assertEquals } from "@std/assert/equals";
import { ResultWindow } from "../../isolate/result_window.ts";
import { test } from "../support/test.ts";

/** Returns a window with a clock, and a function that sends and takes results after some time. */
function windowOf(minSize: number) {
  const clock = { ms: 0 };
  const window = new ResultWindow(minSize, () => clock.ms);
  let taken = 0;
  const take = (count: number, afterMs: number) => {
    clock.ms += afterMs;
    for (let sent = 0; sent < count; sent++) window.recordSent();
    window.recordTaken(taken += count);
  };
  return { window, take };
}

test("ResultWindow is full when as many results are unacknowledged as its size", () => {
  const { window } = windowOf(3);
  for (const isFull of [false, false, true, true]) {
    window.recordSent();
    assertEquals(window.isFull, isFull);
  }
  window.recordTaken(1);
  assertEquals(window.isFull, true);
  window.recordTaken(2);
  assertEquals(window.isFull, false);
});

test("ResultWindow has the size of the results that a quick caller takes in 50 ms, within limits", () => {
  const { window, take } = windowOf(64);
  for (const [count, afterMs, size] of [[10, 10, 64], [70, 10, 350], [7, 20, 64], [1, 5_000, 64], [1_000, 10, 1_024]]) {
    take(count!, afterMs!);
    assertEquals(window.size, size);
  }
});

test("ResultWindow measures the speed of the caller over at least 10 ms", () => {
  const { window, take } = windowOf(64);
  take(50, 1);
  assertEquals(window.size, 64);
  take(50, 9);
  assertEquals(window.size, 500);
});
