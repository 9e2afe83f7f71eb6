/** Escapes long text as the contents of JSON strings, several times as fast as `JSON.stringify`. @module */

import { JSON_ESCAPE_MODULE } from "./json_escape_module.ts";

/** The number of UTF-16 code units, or of bytes of UTF-8, that are escaped at a time. */
const CHUNK_LENGTH = 16 * 1024;
/** The longest character of UTF-8 without its first byte, in bytes. */
const MAX_PARTIAL_BYTES = 3;
const MAX_UTF8_BYTES_PER_UNIT = 3;
/** For example, `\u001b`. */
const MAX_ESCAPED_BYTES_PER_UNIT = 6;
const PAGE_BYTES = 64 * 1024;
/** The number of bytes to which one entry of the table adds backslashes. */
const EXPANDED_BYTES = 8;
const INDEXES_BYTES = 2 * EXPANDED_BYTES;
const ENTRY_BYTES = 2 * INDEXES_BYTES;
/** The place of the text in the memory of the module, after the table. */
const SOURCE = ENTRY_BYTES << EXPANDED_BYTES;
/** The place of the escaped text. */
const TARGET = PAGE_BYTES;
/** Most lines with an output of 1 MiB fit, so that they need one write. */
const TARGET_BYTES = 24 * PAGE_BYTES;
const BACKSLASH = 0x5c;
/** An index of no byte. */
const NO_INDEX = 0x80;

/** The space that escaping the next part of a text needs. */
export const MAX_ESCAPED_BYTES: number = CHUNK_LENGTH * MAX_ESCAPED_BYTES_PER_UNIT;

/** The exports of `dev/wasm/json_escape.wat`. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  /** Escapes UTF-8. Takes and returns places in the memory. */
  escape(begin: number, end: number, target: number, table: number): number;
}

/** The place after an escaped part. */
export interface EscapedPart {
  /** The index of the next part of the text. */
  readonly next: number;
  /** The offset after the written bytes. */
  readonly end: number;
}

/** Escapes text as JSON does, and also all that {@linkcode printable} escapes. */
export class JsonEscaper {
  /** The memory for the escaped text. */
  readonly target: Uint8Array;
  readonly #encoder = new TextEncoder();
  readonly #source: Uint8Array;
  readonly #escape: Exports["escape"];

  private constructor({ memory, escape }: Exports) {
    this.target = new Uint8Array(memory.buffer, TARGET, TARGET_BYTES);
    this.#source = new Uint8Array(memory.buffer, SOURCE, CHUNK_LENGTH * MAX_UTF8_BYTES_PER_UNIT);
    this.#escape = escape;
    fillTable(new Uint8Array(memory.buffer));
  }

  /**
   * Creates an escaper. Returns `undefined` where the runtime has no WebAssembly, or no address space for its memory, as
   * after `ulimit -v`.
   */
  static create(): JsonEscaper | undefined {
    try {
      const bytes = Uint8Array.from(atob(JSON_ESCAPE_MODULE), (character) => character.charCodeAt(0));
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
      return new JsonEscaper(exports as unknown as Exports);
    } catch {
      return undefined;
    }
  }

  /**
   * Escapes a part of a well-formed text that begins at an index, and writes the part as UTF-8.
   *
   * @param offset the place in the target, at least {@linkcode MAX_ESCAPED_BYTES} before its end.
   */
  escapeText(text: string, begin: number, offset: number): EscapedPart {
    let next = begin + CHUNK_LENGTH;
    if (isHighSurrogate(text.charCodeAt(next - 1))) next--;
    const { written } = this.#encoder.encodeInto(text.substring(begin, next), this.#source);
    return { next, end: this.#escapeSource(written, offset) };
  }

  /**
   * Escapes a part of valid UTF-8 that begins at an index.
   *
   * @param offset the place in the target, at least {@linkcode MAX_ESCAPED_BYTES} before its end.
   */
  escapeUtf8(bytes: Uint8Array, begin: number, offset: number): EscapedPart {
    let next = Math.min(begin + CHUNK_LENGTH, bytes.length);
    for (let back = 0; back < MAX_PARTIAL_BYTES && isContinuation(bytes[next]); back++) next--;
    this.#source.set(bytes.subarray(begin, next));
    return { next, end: this.#escapeSource(next - begin, offset) };
  }

  #escapeSource(length: number, offset: number): number {
    return this.#escape(SOURCE, SOURCE + length, TARGET + offset, 0) - TARGET;
  }
}

/** Fills the table of `dev/wasm/json_escape.wat`. */
function fillTable(table: Uint8Array): void {
  for (let set = 0; set < 1 << EXPANDED_BYTES; set++) {
    const indexes = table.subarray(set * ENTRY_BYTES, set * ENTRY_BYTES + INDEXES_BYTES).fill(NO_INDEX);
    let length = 0;
    for (let index = 0; index < EXPANDED_BYTES; index++) {
      if (set >> index & 1) table[set * ENTRY_BYTES + INDEXES_BYTES + length++] = BACKSLASH;
      indexes[length++] = index;
    }
  }
}

function isHighSurrogate(unit: number): boolean {
  return (unit & 0xfc00) === 0xd800;
}

/** Returns whether a byte continues a character of UTF-8; false for none. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0b1100_0000) === 0b1000_0000;
}
