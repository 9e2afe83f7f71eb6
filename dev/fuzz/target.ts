/**
 * The interface and helpers of fuzz targets. A target is a function that takes any bytes and throws if a check fails.
 */

import { Buffer } from "node:buffer";
import { assert } from "@std/assert/assert";
import { InvalidLineError } from "../../jsonl/mod.ts";

/** A fuzz target. */
export interface Target {
  /** Building blocks of inputs. */
  tokens: readonly string[];
  /** Typical inputs, and inputs that once revealed a bug. */
  seeds: readonly (string | Uint8Array)[];
  /** Checks one input; throws if a check fails. */
  fuzz: (data: Uint8Array) => void | Promise<void>;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** Decodes bytes as text, with replacement characters for invalid UTF-8. */
export function textOf(data: Uint8Array): string {
  return decoder.decode(data);
}

/** Returns the bytes of an input. */
export function bytesOf(input: string | Uint8Array): Uint8Array {
  return typeof input === "string" ? encoder.encode(input) : input;
}

/** Yields the bytes in chunks that reuse one buffer, as a file reader does. */
export function* chunks(bytes: Uint8Array, chunkBytes: number): Generator<Uint8Array, void> {
  const memory = new Uint8Array(chunkBytes);
  for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
    const chunk = bytes.subarray(offset, offset + chunkBytes);
    memory.fill(0xff).set(chunk);
    yield memory.subarray(0, chunk.length);
  }
}

/** Splits bytes into lines, independently of the readers under test; the text is `undefined` for invalid UTF-8. */
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

/** Accepts an expected error if its message has no control characters, and rethrows any other error. */
export function assertExpected(error: unknown, Expected: new (...args: never[]) => Error = InvalidLineError): void {
  if (!(error instanceof Expected)) throw error;
  // deno-lint-ignore no-control-regex -- matching control characters is the purpose
  assert(!/[\x00-\x1f\x7f-\x9f]/.test(error.message), `a message with control characters: ${error.message}`);
}
