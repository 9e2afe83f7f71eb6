/** Text that stays in a buffer, and is decoded only when a program reads it. @module */

import { Buffer, isAscii } from "node:buffer";

/** The size from which on it pays to decode ASCII separately, which is several times as fast on Deno. */
const MIN_ASCII_BYTES = 512;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes UTF-8. @throws `TypeError` for bytes that are not valid UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  return bytes.length >= MIN_ASCII_BYTES && isAscii(bytes) ? bufferOf(bytes).toString("latin1") : decoder.decode(bytes);
}

/** Encodes bytes as base64. */
export function encodeBase64(bytes: Uint8Array): string {
  return bufferOf(bytes).toString("base64");
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** A text as bytes, which must not change until the text is released. */
export class LazyText {
  /** The encoding of the text: `base64` if the bytes are not UTF-8. */
  readonly encoding: "utf8" | "base64";
  readonly #release: (() => void) | undefined;
  #bytes: Uint8Array | undefined;
  #holders = 1;
  #text: string | undefined;

  /** @param release Called when the text no longer needs the bytes. */
  constructor(bytes: Uint8Array, encoding: "utf8" | "base64", release?: () => void) {
    this.#bytes = bytes;
    this.encoding = encoding;
    this.#release = release;
  }

  /** The bytes. @throws `Error` after {@linkcode release}. */
  get bytes(): Uint8Array {
    if (!this.#bytes) throw new Error("Cannot read the text: it was released");
    return this.#bytes;
  }

  /** Returns the text. @throws `Error` after {@linkcode release}, unless the text was read before. */
  toString(): string {
    return this.#text ??= this.encoding === "utf8" ? decodeUtf8(this.bytes) : encodeBase64(this.bytes);
  }

  /** Keeps the bytes until a further call of {@linkcode release}. */
  hold(): void {
    this.#holders++;
  }

  /** Gives the bytes back, unless others hold them. */
  release(): void {
    if (--this.#holders !== 0) return;
    this.#bytes = undefined;
    this.#release?.();
  }
}

type LazyTexts = Readonly<Record<string, LazyText | undefined>>;

const textsOfObjects = new WeakMap<object, LazyTexts>();

/** Defines a property of an object that decodes a text when it is read. */
export function defineLazyText(object: object, name: string, text: LazyText): void {
  Object.defineProperty(object, name, { get: () => text.toString(), enumerable: true, configurable: true });
  textsOfObjects.set(object, { ...textsOfObjects.get(object), [name]: text });
}

/** Returns the texts of {@linkcode defineLazyText} by the names of their properties; `undefined` for none. */
export function lazyTextsOf(object: object): LazyTexts | undefined {
  return textsOfObjects.get(object);
}

/** Releases the texts of an object, which nobody reads any more. */
export function releaseLazyTexts(object: object): void {
  const texts = textsOfObjects.get(object);
  if (texts) { for (const name in texts) texts[name]!.release(); }
}
