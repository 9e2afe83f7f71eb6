import { encodeByteText } from "../../text/byte_text.ts";
import { excerpt } from "../../text/excerpt.ts";
import type { Unit } from "../args/flag.ts";
import { UsageError } from "../args/usage_error.ts";

const BYTE_BY_LETTER: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  "\\": 92,
};
const PARTS = /\\x([0-9a-fA-F]{1,2})|\\([0-7]{1,3})|\\([abtnvfr\\])|[^\\]+|\\/g;

/** Converts the escapes of C in text, such as `\n`, `\0` and `\x1e`, to bytes. A backslash before anything else stays. */
export function unescapeBytes(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const [part, hexadecimal, octal, letter] of text.matchAll(PARTS)) {
    if (hexadecimal !== undefined) bytes.push(parseInt(hexadecimal, 16));
    else if (octal !== undefined) bytes.push(parseInt(octal, 8) & 0xff);
    else if (letter !== undefined) bytes.push(BYTE_BY_LETTER[letter]!);
    else for (const byte of encodeByteText(part)) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** Text with the escapes of C, as bytes. */
export const ESCAPED_TEXT: Unit<Uint8Array> = {
  placeholder: "TEXT",
  takesEmpty: true,
  parse: (_, text) => unescapeBytes(text),
};

/** A byte that ends values. */
export const DELIMITER: Unit<number> = {
  placeholder: "DELIM",
  parse(flag, text) {
    const [byte, ...more] = unescapeBytes(text);
    if (byte !== undefined && more.length === 0) return byte;
    throw new UsageError(`${flag} must be one byte, such as ',' or '\\t' or '\\x1e', got ${excerpt(text)}`);
  },
};
