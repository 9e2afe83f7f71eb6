import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { defineLazyText, LazyText, lazyTextsOf, releaseLazyTexts } from "../../text/lazy_text.ts";
import { test } from "../support/test.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

test("LazyText decodes UTF-8 and encodes other bytes as base64, as often as it is read", () => {
  for (const text of ["", "a", "\ufeffa\0é😀", "x".repeat(10_000), "é".repeat(10_000)]) {
    const lazy = new LazyText(bytesOf(text), "utf8");
    assert(lazy.toString() === text && lazy.toString() === text);
  }
  assertEquals(new LazyText(Uint8Array.of(0xff, 0, 1, 2), "base64").toString(), "/wABAg==");
});

test("LazyText keeps the bytes until it is released, and the text that was read", () => {
  let releases = 0;
  const [read, unread] = ["a", "b"].map((text) => new LazyText(bytesOf(text), "utf8", () => releases++));
  assertEquals([read!.toString(), unread!.bytes], ["a", bytesOf("b")]);
  unread!.hold();
  for (const text of [read!, unread!]) text.release();
  assertEquals([releases, unread!.bytes], [1, bytesOf("b")]);
  unread!.release();
  assertEquals(releases, 2);
  assertEquals(read!.toString(), "a");
  assertThrows(() => unread!.toString(), Error, "Cannot read the text: it was released");
  assertThrows(() => unread!.bytes, Error, "Cannot read the text: it was released");
});

test("a lazy text is a property like any other, in the place of an existing one", () => {
  const object = { a: "", b: "b", c: "" };
  defineLazyText(object, "a", new LazyText(bytesOf("A"), "utf8"));
  defineLazyText(object, "c", new LazyText(bytesOf("C"), "utf8"));
  const expected = { a: "A", b: "b", c: "C" };
  assertEquals(Object.keys(object), ["a", "b", "c"]);
  assertEquals(JSON.stringify(object), JSON.stringify(expected));
  const copy = { ...object };
  assertEquals([copy, structuredClone(object)], [expected, expected]);
  assertEquals(Object.keys(lazyTextsOf(object)!), ["a", "c"]);
  assertEquals([lazyTextsOf(copy), lazyTextsOf({})], [undefined, undefined]);
});

test("releaseLazyTexts() releases all lazy texts of an object", () => {
  const released: string[] = [];
  const object = { a: "", b: "" };
  for (const name of ["a", "b"] as const) {
    defineLazyText(object, name, new LazyText(bytesOf(name), "utf8", () => released.push(name)));
  }
  releaseLazyTexts(object);
  releaseLazyTexts({});
  assertEquals(released, ["a", "b"]);
});
