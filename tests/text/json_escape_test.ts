import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { assemble } from "../../dev/wasm/assemble.ts";
import { escapeModule } from "../../dev/wasm/build.ts";
import { printableJson } from "../../text/excerpt.ts";
import { JsonEscaper, MAX_ESCAPED_BYTES } from "../../text/json_escape.ts";
import { test } from "../support/test.ts";

const escaper = JsonEscaper.create()!;

const OFFSET = 7;
const target = new Uint8Array(OFFSET + MAX_ESCAPED_BYTES);

/** Returns the escaped text. */
function escape(text: string): string {
  const parts: Uint8Array[] = [];
  for (let begin = 0; begin < text.length;) {
    const { next, end } = escaper.escapeInto(text, begin, target, OFFSET);
    assert(next > begin);
    parts.push(target.slice(OFFSET, end));
    begin = next;
  }
  return Buffer.concat(parts).toString();
}

/** Fails unless the escaped text is what `JSON.stringify` and a regular expression make of the text. */
function check(text: string): void {
  const [escaped, expected] = [escape(text), printableJson(text)!.slice(1, -1)];
  if (escaped !== expected) assertEquals(escaped, expected);
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
