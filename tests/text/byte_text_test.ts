import { assertEquals } from "@std/assert/equals";
import { Buffer } from "node:buffer";
import { decodeByteText, encodeByteText, hasEscapedBytes, isByteText } from "../../text/byte_text.ts";
import { test } from "../support/test.ts";

test("decodeByteText() decodes UTF-8 as any decoder does, and keeps a byte order mark", () => {
  for (const text of ["", "a b", "é€😀", "\ufeffa", "\ufffd"]) {
    assertEquals(decodeByteText(Buffer.from(text)), text);
    assertEquals(hasEscapedBytes(text), false);
  }
});

test("decodeByteText() escapes each byte that is not UTF-8 as Python does", () => {
  assertEquals(decodeByteText(Uint8Array.of(0x61, 0xe9, 0x62)), "a\udce9b");
  assertEquals(decodeByteText(Uint8Array.of(0xf0, 0x9f, 0x98)), "\udcf0\udc9f\udc98"); // an incomplete emoji
  assertEquals(decodeByteText(Uint8Array.of(0xed, 0xb3, 0xa9)), "\udced\udcb3\udca9"); // an encoded surrogate
  assertEquals(decodeByteText(Uint8Array.of(0xc0, 0xaf)), "\udcc0\udcaf"); // an overlong slash
  assertEquals(decodeByteText(Uint8Array.of(0xff, 0xc3, 0xa9)), "\udcffé");
});

test("encodeByteText() restores any bytes", () => {
  let seed = 1;
  const random = (below: number) => (seed = seed * 48271 % 2147483647) % below;
  const interesting = [0x00, 0x27, 0x41, 0x80, 0xa9, 0xbf, 0xc3, 0xe2, 0x82, 0xac, 0xed, 0xb3, 0xf0, 0x9f, 0x98, 0xff];
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from({ length: random(9) }, () => interesting[random(interesting.length)]!);
    const text = decodeByteText(bytes);
    assertEquals([...encodeByteText(text)], [...bytes]);
    assertEquals(hasEscapedBytes(text), !text.isWellFormed());
  }
});

test("hasEscapedBytes() is false for surrogates that stand for no byte", () => {
  assertEquals(["\ud800", "\udc7f", "\udd00"].map(hasEscapedBytes), [false, false, false]);
  assertEquals(hasEscapedBytes("😀"), false);
});

test("isByteText() is false only for text that stands for no bytes", () => {
  const valid = ["", "é😀", "\udce9", "a\udc80\udcffb", "😀\udce9", "\ud83d\udce9", "\ud83d\udce9\udce9"];
  const invalid = [
    "\ud800",
    "\udc7f",
    "\udd00",
    "\udce9\ud83d",
    "\ud83dx\udce9",
    "\udc00\udce9",
    "\ud83d\ud83d\udce9x\udfff",
  ];
  assertEquals(valid.filter((text) => !isByteText(text)), []);
  assertEquals(invalid.filter(isByteText), []);
});
