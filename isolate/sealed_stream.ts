/**
 * A stream that others can get at, from which nothing is taken but what its writer wrote: each write goes with a line that
 * has its length, and codes over that and over what was written, which only who knows the key can make. Whatever was added,
 * changed, taken out or repeated is noticed.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { ByteBuffer } from "../system/byte_buffer.ts";

const HEADER_BYTES = 96;
/** No code can be made of another one by adding bytes, as with SHA-256: so the key can stand in front of what it covers. */
const ALGORITHM = "sha512-256";
/** 128 bits of a code are more than anybody can guess. */
const CODE_CHARACTERS = 32;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Something in a stream is not from its writer. */
export class ForeignBytesError extends Error {
  override name = "ForeignBytesError";
}

/** Makes the pieces of a stream. */
export class Sealer {
  readonly #key: string;
  #count = 0;

  /** Begins a stream, for a key that no other stream has. */
  constructor(key: string) {
    this.#key = key;
  }

  /** The code of the length of the next piece: whoever reads it must not wait for more than there will be. */
  codeOfLength(length: number): string {
    return this.#code("length", `${length}`);
  }

  /** The code of the next piece. After it comes the next one. */
  codeOf(bytes: Uint8Array): string {
    const code = this.#code("bytes", bytes);
    this.#count++;
    return code;
  }

  /** The next piece, as it is to be written. */
  seal(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    const header = JSON.stringify([this.codeOfLength(length), this.codeOf(bytes), length]).padEnd(HEADER_BYTES - 1);
    const sealed = new Uint8Array(HEADER_BYTES + bytes.length);
    encoder.encodeInto(`${header}\n`, sealed);
    sealed.set(bytes, HEADER_BYTES);
    return sealed;
  }

  /** @param kind so that no piece has the code of a length. */
  #code(kind: "length" | "bytes", content: string | Uint8Array): string {
    const hash = createHash(ALGORITHM).update(`${this.#key} ${this.#count} ${kind} `).update(content);
    return hash.digest("hex").slice(0, CODE_CHARACTERS);
  }
}

/**
 * Gives what the writer wrote, without a last piece that is not complete.
 *
 * @throws {ForeignBytesError} where it is not what the writer wrote.
 */
export async function* unseal(source: AsyncIterable<Uint8Array>, key: string): AsyncGenerator<Uint8Array, void> {
  const sealer = new Sealer(key);
  const reader = new ExactReader(source);
  while (true) {
    const header = await reader.read(HEADER_BYTES);
    if (!header) return;
    const [codeOfLength, code, length] = parseHeader(header);
    if (sealer.codeOfLength(length) !== codeOfLength) throw new ForeignBytesError("a header of the stream was changed");
    const bytes = await reader.read(length);
    if (!bytes) return;
    if (sealer.codeOf(bytes) !== code) throw new ForeignBytesError("a piece of the stream was changed");
    yield bytes;
  }
}

function parseHeader(bytes: Uint8Array): [codeOfLength: string, code: string, length: number] {
  let header: unknown;
  try {
    header = JSON.parse(decoder.decode(bytes));
  } catch {
    // As other values that are no header.
  }
  if (!Array.isArray(header) || header.length !== 3) {
    throw new ForeignBytesError("the stream has bytes that are not its writer's");
  }
  return header as [string, string, number];
}

/** Reads as many bytes as are asked for. */
class ExactReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** `undefined` when there are not as many. */
  async read(length: number): Promise<Uint8Array | undefined> {
    if (this.#rest.length >= length) return this.#take(length);
    const bytes = new ByteBuffer();
    while (true) {
      bytes.append(this.#take(length - bytes.length));
      if (bytes.length === length) return bytes.take();
      const { done, value } = await this.#source.next();
      if (done) return undefined;
      this.#rest = value;
    }
  }

  #take(length: number): Uint8Array {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(taken.length);
    return taken;
  }
}
