import { assertEquals } from "@std/assert/equals";
import { formatCount } from "../../text/format.ts";
import { test } from "../support/test.ts";

test("formatCount() separates thousands as English does", () => {
  const counts = [0, 7, 999, 1_000, 12_345, 999_999, 1_000_000, 1_234_567_890, Number.MAX_SAFE_INTEGER];
  assertEquals(counts.map(formatCount), counts.map((count) => count.toLocaleString("en-US")));
});
