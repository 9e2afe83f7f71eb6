import { assertEquals } from "@std/assert/equals";
import { LatestFailures } from "../../results/latest_failures.ts";
import { test } from "../support/test.ts";

test("LatestFailures finds the last result of each task that failed", () => {
  const failures = new LatestFailures();
  for (let id = 1; id <= 1_000; id++) failures.add({ id: `${id}`, outcome: "failed" });
  assertEquals([failures.size, failures.results, failures.failureOf("7")], [1_000, 1_000, 7]);
  failures.add({ id: "7", outcome: "timeout" });
  failures.add({ id: "8", outcome: "ok" });
  failures.add({ id: "9", outcome: "canceled" });
  assertEquals([failures.size, failures.results], [998, 1_003]);
  assertEquals(["7", "8", "9", "10", "none"].map((id) => failures.failureOf(id)), [1_001, 0, 0, 10, 0]);
});

test("LatestFailures counts tasks apart that were skipped", () => {
  const failures = new LatestFailures();
  failures.add({ id: "a", outcome: "skipped" });
  for (const id of ["b", "c", "d"]) failures.add({ id, outcome: "failed" });
  for (const id of ["b", "e", "f"]) failures.add({ id, outcome: "skipped" });
  assertEquals([failures.size, failures.skipped], [2, 4]);
  assertEquals(["a", "b", "c", "d", "e"].map((id) => failures.failureOf(id)), [0, 0, 3, 4, 0]);
  failures.add({ id: "a", outcome: "ok" });
  failures.add({ id: "e", outcome: "timeout" });
  failures.add({ id: "f", outcome: "skipped" });
  assertEquals([failures.size, failures.skipped, failures.results], [3, 2, 10]);
  assertEquals(["a", "e", "f"].map((id) => failures.failureOf(id)), [0, 9, 0]);
});
