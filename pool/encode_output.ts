import { Buffer } from "node:buffer";
import type { Output } from "./executor.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Encodes bytes for a result: as text when they are valid UTF-8, else as base64. */
export function encodeOutput(bytes: Uint8Array): Output {
  try {
    return { text: utf8.decode(bytes) };
  } catch {
    return {
      text: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        .toString("base64"),
      encoding: "base64",
    };
  }
}
