/**
 * Text that can hold any bytes. A byte that is not part of valid UTF-8 is the code unit U+DC00 plus the byte, which valid
 * text cannot contain. Python uses the same encoding, with the name `surrogateescape`, for names of files and arguments.
 *
 * @module
 */

import { concatenate } from "./concatenate.ts";

const ESCAPE = 0xdc00;
/** Low surrogates for bytes from 0x80 to 0xff that no high surrogate precedes. */
const ESCAPED_BYTES = /((?<![\ud800-\udbff])[\udc80-\udcff]+)/g;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Decodes UTF-8. Bytes that are not UTF-8 become escaped bytes. */
export function decodeByteText(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return Array.from(utf8Parts(bytes)).join("");
  }
}

/** Encodes text as UTF-8, and escaped bytes as those bytes. The inverse of {@linkcode decodeByteText}. */
export function encodeByteText(text: string): Uint8Array<ArrayBuffer> {
  if (!hasEscapedBytes(text)) return encoder.encode(text);
  const parts = text.split(ESCAPED_BYTES);
  const encoded = parts.map((part, index) =>
    index % 2 === 0 ? encoder.encode(part) : Uint8Array.from(part, (unit) => unit.charCodeAt(0) - ESCAPE)
  );
  return concatenate(encoded);
}

/** Returns whether text encodes to bytes: its only lone surrogates are escaped bytes. */
export function isByteText(text: string): boolean {
  return text.isWellFormed() || text.replaceAll(ESCAPED_BYTES, "").isWellFormed();
}

/** Returns whether text has bytes that are not UTF-8. */
export function hasEscapedBytes(text: string): boolean {
  return !text.isWellFormed() && text.search(ESCAPED_BYTES) !== -1;
}

function* utf8Parts(bytes: Uint8Array): Generator<string> {
  let begin = 0;
  for (let index = 0; index < bytes.length;) {
    const length = sequenceLength(bytes, index);
    if (length > 0) {
      index += length;
      continue;
    }
    if (index > begin) yield strict.decode(bytes.subarray(begin, index));
    yield String.fromCharCode(ESCAPE + bytes[index]!);
    begin = ++index;
  }
  if (bytes.length > begin) yield strict.decode(bytes.subarray(begin));
}

/** Returns the length of the valid UTF-8 sequence at an index; 0 if there is none. */
function sequenceLength(bytes: Uint8Array, index: number): number {
  const first = bytes[index]!;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || index + length > bytes.length) return 0;
  try {
    strict.decode(bytes.subarray(index, index + length));
    return length;
  } catch {
    return 0;
  }
}
