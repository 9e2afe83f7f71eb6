import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { assemble } from "../../dev/wasm/assemble.ts";
import { escapeModule } from "../../dev/wasm/build.ts";
import { printableJson } from "../../text/excerpt.ts";
import { type EscapedPart, JsonEscaper, MAX_ESCAPED_BYTES } from "../../text/json_escape.ts";
import { test } from "../support/test.ts";

const escaper = JsonEscaper.create()!;

const OFFSET = 7;
const encoder = new TextEncoder();

/** Returns the escaped parts of a text. */
function escape(length: number, escapePart: (begin: number) => EscapedPart): string {
  const parts: Uint8Array[] = [];
  for (let begin = 0; begin < length;) {
    escaper.target.fill(0, 0, OFFSET + 6 * length);
    const { next, end } = escapePart(begin);
    assert(next > begin && end - OFFSET <= MAX_ESCAPED_BYTES);
    parts.push(escaper.target.slice(OFFSET, end));
    begin = next;
  }
  return Buffer.concat(parts).toString();
}

/** Fails unless the escaped text is what `JSON.stringify` and a regular expression make of the text. */
function check(text: string): void {
  const bytes = encoder.encode(text);
  const expected = printableJson(text)!.slice(1, -1);
  const fromText = escape(text.length, (begin) => escaper.escapeText(text, begin, OFFSET));
  const fromBytes = escape(bytes.length, (begin) => escaper.escapeUtf8(bytes, begin, OFFSET));
  if (fromText !== expected) assertEquals(fromText, expected);
  if (fromBytes !== expected) assertEquals(fromBytes, expected);
}

test("JsonEscaper escapes each character of Unicode as printableJson() does", () => {
  let text = "";
  for (let code = 0; code <= 0x10ffff; code++) if (code < 0xd800 || code > 0xdfff) text += String.fromCodePoint(code);
  check(text);
  check(Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).reverse().join("a"));
});

test("JsonEscaper escapes a character at each place of a vector, at the end of the text, and alone", () => {
  const characters = ["\0", "\x1f", '"', "\\", "\x7f", "\x80", "\x9f", "\xa0", "\xc2", "\u0600", "\u061c", "\u200d"];
  for (
    const character of [...characters, "\u200e", "\u2028", "\u202e", "\u202f", "\u2066", "\u206a", "\ufeff", "😀", "é"]
  ) {
    for (let before = 0; before <= 33; before++) {
      for (const after of [0, 1, 15, 16, 17]) check("x".repeat(before) + character + "y".repeat(after));
    }
    check(character.repeat(100));
  }
});

test("JsonEscaper adds a backslash to each set of the bytes of a vector", () => {
  let text = "";
  for (let set = 0; set < 1 << 16; set++) {
    for (let index = 0; index < 16; index++) text += set >> index & 1 ? '"\\\b\t\n\f\r'[(set + index) % 7] : "a";
  }
  check(text);
});

test("JsonEscaper escapes a text of several parts whose borders are within characters", () => {
  for (const character of ["😀", "\u2028", "é", "\x1b", '"', "x"]) {
    for (let before = 0; before < 4; before++) check("x".repeat(before) + character.repeat(40_000));
  }
});

test("JsonEscaper escapes random text as printableJson() does", () => {
  const unit = fc.oneof(
    fc.constantFrom("\n", '"', "\\", "\x1b[31m", "\u2028", "\u200f", "\u009b", "\ud83d\ude00", "é", "“", "ش"),
    fc.string({ unit: "binary", maxLength: 5 }),
    fc.nat(40).map((length) => "x".repeat(length)),
  );
  fc.assert(fc.property(fc.array(unit, { maxLength: 200 }), fc.nat(3), (units, doublings) => {
    let text = units.join("").toWellFormed();
    for (let doubling = 0; doubling < doublings * 3; doubling++) text += text.slice(0, 100_000);
    check(text);
  }));
});

test("JsonEscaper is absent where the runtime has no WebAssembly, or no memory for it", () => {
  const { WebAssembly: original } = globalThis;
  class Instance {
    constructor() {
      throw new RangeError("WebAssembly.Memory(): could not allocate memory");
    }
  }
  try {
    for (const replacement of [undefined, { ...original, Module: original.Module, Instance }]) {
      Object.assign(globalThis, { WebAssembly: replacement });
      assertEquals(JsonEscaper.create(), undefined);
    }
  } finally {
    Object.assign(globalThis, { WebAssembly: original });
  }
});

test("json_escape_module.ts has the code of json_escape.wat", async () => {
  const path = new URL("../../text/json_escape_module.ts", import.meta.url);
  assertEquals((await readFile(path, "utf8")).replaceAll(/\s+/g, " "), (await escapeModule()).replaceAll(/\s+/g, " "));
});

test("assemble() rejects what it does not support", () => {
  assertThrows(() => assemble("(module (func $a (i32.div)))"), SyntaxError, "Unknown name: i32.div");
  assertThrows(() => assemble("(module (func $a (local.get $b)))"), SyntaxError, "Unknown name: $b");
  assertThrows(() => assemble("(module (func $a (br $b)))"), SyntaxError, "Unknown label: $b");
  assertThrows(() => assemble("(module"), SyntaxError);
  assertThrows(() => assemble("(module))"), SyntaxError);
  assertThrows(() => assemble("(func)"), SyntaxError, "Expected a module");
});
