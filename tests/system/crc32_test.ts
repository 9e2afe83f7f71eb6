import { assertEquals } from "@std/assert/equals";
import { crc32 as crc32OfZlib } from "node:zlib";
import { crc32 } from "../../system/crc32.ts";
import { test } from "../support/test.ts";

test("crc32() returns what zlib returns", () => {
  const texts = ["", "a", "echo hi", "é€😀\0", "x".repeat(100_000), "\0".repeat(7)];
  for (const text of texts) {
    assertEquals(crc32(text), crc32OfZlib(text));
    const bytes = new TextEncoder().encode(`_${text}`).subarray(1);
    assertEquals(crc32(bytes), crc32OfZlib(bytes));
  }
});
