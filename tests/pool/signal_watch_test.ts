import { assertEquals } from "@std/assert/equals";
import { SignalWatch } from "../../pool/signal_watch.ts";
import { test } from "../support/test.ts";

test("SignalWatch passes the values of an aborted signal that were not removed", () => {
  const calls: string[][] = [];
  const watch = new SignalWatch<string>((values) => calls.push(values));
  const [first, second] = [new AbortController(), new AbortController()];
  for (const value of ["a", "b", "c"]) watch.add(first.signal, value);
  watch.add(second.signal, "d");
  watch.remove(first.signal, "b");
  first.abort();
  assertEquals(calls, [["a", "c"]]);
  second.abort();
  assertEquals(calls, [["a", "c"], ["d"]]);
});

test("SignalWatch stops listening after the last value of a signal, and listens again to the next value", () => {
  const calls: string[][] = [];
  const watch = new SignalWatch<string>((values) => calls.push(values));
  const { signal } = new AbortController();
  watch.add(signal, "a");
  watch.remove(signal, "a");
  signal.dispatchEvent(new Event("abort"));
  assertEquals(calls, []);
  watch.add(signal, "b");
  signal.dispatchEvent(new Event("abort"));
  assertEquals(calls, [["b"]]);
});
