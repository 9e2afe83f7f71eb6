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
