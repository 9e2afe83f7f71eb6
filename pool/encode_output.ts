import { Buffer, isAscii } from "node:buffer";
import type { Output } from "./executor.ts";

/** From this size on, decoding ASCII apart pays: it is several times as fast on Deno. */
const MIN_ASCII_BYTES = 512;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Encodes bytes for a result: as text when they are valid UTF-8, else as base64. */
export function encodeOutput(bytes: Uint8Array): Output {
  if (bytes.length >= MIN_ASCII_BYTES && isAscii(bytes)) return { text: bufferOf(bytes).toString("latin1") };
  try {
    return { text: utf8.decode(bytes) };
  } catch {
    return { text: bufferOf(bytes).toString("base64"), encoding: "base64" };
  }
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
