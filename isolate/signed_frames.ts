/**
 * Signed frames: from a stream to which other processes can write, the reader accepts only the bytes of one writer.
 * Before each frame comes a line with its length, and with signatures of the length and of the bytes that need a secret
 * key. A frame that is added, changed, removed, repeated or moved is detected.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { ByteBuffer } from "../system/byte_buffer.ts";

const HEADER_BYTES = 96;
/** Not open to length extension, unlike SHA-256, so the key can precede the signed content. */
const ALGORITHM = "sha512-256";
/** 128 bits, which nobody can guess. */
const SIGNATURE_CHARACTERS = 32;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A frame that its writer has not signed. */
export class InvalidFrameError extends Error {
  override readonly name: string = "InvalidFrameError";
}

/** Signs the frames of one stream. */
export class FrameSigner {
  readonly #key: string;
  #count = 0;

  /** @param key a secret that no other stream has. */
  constructor(key: string) {
    this.#key = key;
  }

  /**
   * Returns the signature of the next frame's length, so that a reader never waits for the bytes of a forged length.
   */
  signLength(length: number): string {
    return this.#sign("length", `${length}`);
  }

  /** Returns the signature of the next frame's bytes, and advances to the frame after it. */
  signBytes(bytes: Uint8Array): string {
    const signature = this.#sign("bytes", bytes);
    this.#count++;
    return signature;
  }

  /** Returns the next frame, with its header. */
  sign(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    const header = JSON.stringify([this.signLength(length), this.signBytes(bytes), length]).padEnd(HEADER_BYTES - 1);
    const frame = new Uint8Array(HEADER_BYTES + length);
    encoder.encodeInto(`${header}\n`, frame);
    frame.set(bytes, HEADER_BYTES);
    return frame;
  }

  /** @param kind keeps the signature of a length from being one of bytes. */
  #sign(kind: "length" | "bytes", content: string | Uint8Array): string {
    const hash = createHash(ALGORITHM).update(`${this.#key} ${this.#count} ${kind} `).update(content);
    return hash.digest("hex").slice(0, SIGNATURE_CHARACTERS);
  }
}

/**
 * Yields the bytes of each frame, without an incomplete last frame.
 *
 * @throws {InvalidFrameError} at the first frame that is not the writer's.
 */
export async function* verifyFrames(source: AsyncIterable<Uint8Array>, key: string): AsyncGenerator<Uint8Array, void> {
  const signer = new FrameSigner(key);
  const reader = new ExactReader(source);
  while (true) {
    const header = await reader.read(HEADER_BYTES);
    if (!header) return;
    const [lengthSignature, signature, length] = parseHeader(header);
    if (signer.signLength(length) !== lengthSignature) throw new InvalidFrameError("a header was changed");
    const bytes = await reader.read(length);
    if (!bytes) return;
    if (signer.signBytes(bytes) !== signature) throw new InvalidFrameError("a frame was changed");
    yield bytes;
  }
}

function parseHeader(bytes: Uint8Array): [lengthSignature: string, signature: string, length: number] {
  let header: unknown;
  try {
    header = JSON.parse(decoder.decode(bytes));
  } catch {
    // Handled below, like any other value that is not a header.
  }
  if (!Array.isArray(header) || header.length !== 3) {
    throw new InvalidFrameError("the stream has bytes of another writer");
  }
  return header as [string, string, number];
}

/** Reads exact numbers of bytes. */
class ExactReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Reads `length` bytes; returns `undefined` when the source ends before. */
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
