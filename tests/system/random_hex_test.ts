import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { randomHex } from "../../system/random_hex.ts";
import { test } from "../support/test.ts";

test("randomHex() returns two digits for each byte, and never the same", () => {
  const texts = Array.from({ length: 1_000 }, () => randomHex(12));
  for (const text of texts) assertMatch(text, /^[0-9a-f]{24}$/);
  assertEquals(new Set(texts).size, texts.length);
  assertEquals(randomHex(0), "");
});
