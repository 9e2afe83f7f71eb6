/** Escapes long text as the contents of JSON strings, several times as fast as `JSON.stringify`. @module */

import { JSON_ESCAPE_MODULE } from "./json_escape_module.ts";

/** The number of UTF-16 code units that are escaped at a time. */
const CHUNK_LENGTH = 16 * 1024;
const MAX_UTF8_BYTES_PER_UNIT = 3;
/** For example, `\u001b`. */
const MAX_ESCAPED_BYTES_PER_UNIT = 6;
const PAGE_BYTES = 64 * 1024;
/** The beginning of the escaped text in the memory of the module. */
const TARGET = PAGE_BYTES;

/** The space that {@linkcode JsonEscaper.escapeInto} needs. */
export const MAX_ESCAPED_BYTES: number = CHUNK_LENGTH * MAX_ESCAPED_BYTES_PER_UNIT;

/** The exports of `dev/wasm/json_escape.wat`. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  /** Escapes UTF-8. Takes and returns places in the memory. */
  escape(begin: number, end: number, target: number): number;
}

/** Escapes text as JSON does, and also all that {@linkcode printable} escapes. */
export class JsonEscaper {
  readonly #encoder = new TextEncoder();
  readonly #source: Uint8Array;
  readonly #memory: Uint8Array;
  readonly #escape: Exports["escape"];

  private constructor({ memory, escape }: Exports) {
    this.#memory = new Uint8Array(memory.buffer);
    this.#source = this.#memory.subarray(0, CHUNK_LENGTH * MAX_UTF8_BYTES_PER_UNIT);
    this.#escape = escape;
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
   * @param target at least {@linkcode MAX_ESCAPED_BYTES} long from the offset.
   * @returns the index of the next part, and the offset after the written bytes.
   */
  escapeInto(text: string, begin: number, target: Uint8Array, offset: number): { next: number; end: number } {
    let next = begin + CHUNK_LENGTH;
    if (isHighSurrogate(text.charCodeAt(next - 1))) next--;
    const { written } = this.#encoder.encodeInto(text.substring(begin, next), this.#source);
    const escaped = this.#memory.subarray(TARGET, this.#escape(0, written, TARGET));
    target.set(escaped, offset);
    return { next, end: offset + escaped.length };
  }
}

function isHighSurrogate(unit: number): boolean {
  return (unit & 0xfc00) === 0xd800;
}
