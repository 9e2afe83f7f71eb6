/** What the targets share. A target is a function that takes any bytes, and throws when something is not as it should be. */

import { Buffer } from "node:buffer";
import { assert } from "@std/assert/assert";
import { InvalidLineError } from "../../jsonl/mod.ts";

/** Something that is tried with bytes that nobody has thought of. */
export interface Target {
  /** What inputs can be made of, for whoever makes them up. */
  tokens: readonly string[];
  /** Inputs that say what others may look like, and those that have found something once. */
  seeds: readonly (string | Uint8Array)[];
  /** Throws when it finds something. */
  fuzz: (data: Uint8Array) => void | Promise<void>;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** The bytes as text, with something in the place of what is not UTF-8. */
export function textOf(data: Uint8Array): string {
  return decoder.decode(data);
}

/** The bytes of an input. */
export function bytesOf(input: string | Uint8Array): Uint8Array {
  return typeof input === "string" ? encoder.encode(input) : input;
}

/** The bytes in pieces. As a reader of files does, it gives them in always the same memory. */
export function* pieces(bytes: Uint8Array, pieceBytes: number): Generator<Uint8Array, void> {
  const memory = new Uint8Array(pieceBytes);
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    const piece = bytes.subarray(offset, offset + pieceBytes);
    memory.fill(0xff).set(piece);
    yield memory.subarray(0, piece.length);
  }
}

/** The lines of the bytes, as another way to find them than that of the readers: the text, or nothing when it is not UTF-8. */
export function linesOf(bytes: Uint8Array): { text: string | undefined; bytes: number }[] {
  const latin1 = Buffer.from(bytes).toString("latin1").split("\n");
  if (latin1.at(-1) === "") latin1.pop();
  return latin1.map((line, index) => {
    const bytes = Buffer.from(line, "latin1");
    const text = bytes.toString("utf8");
    const isUtf8 = Buffer.from(text).equals(bytes);
    return { text: isUtf8 ? text.slice(index === 0 && text[0] === "\ufeff" ? 1 : 0) : undefined, bytes: bytes.length };
  });
}

/** Passes over an error that is expected, and checks that a terminal can show it; any other is what is looked for. */
export function assertExpected(error: unknown, Expected: new (...args: never[]) => Error = InvalidLineError): void {
  if (!(error instanceof Expected)) throw error;
  // deno-lint-ignore no-control-regex -- control characters are what it is about
  assert(!/[\x00-\x1f\x7f-\x9f]/.test(error.message), `a message with control characters: ${error.message}`);
}
