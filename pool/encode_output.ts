import { isAscii, isUtf8 } from "node:buffer";
import { decodeUtf8, defineLazyText, encodeBase64, LazyText } from "../text/lazy_text.ts";
import type { Output } from "./executor.ts";

/** Encodes bytes for a result: as text when they are valid UTF-8, else as base64. */
export function encodeOutput(bytes: Uint8Array): Output {
  try {
    return { text: decodeUtf8(bytes) };
  } catch {
    return { text: encodeBase64(bytes), encoding: "base64" };
  }
}

/**
 * Encodes bytes as {@linkcode encodeOutput} does, but only when the text is read. Until then, the bytes must not change.
 *
 * @param release Called when the output no longer needs the bytes.
 */
export function lazyOutput(bytes: Uint8Array, release?: () => void): Output {
  const isText = isAscii(bytes) || isUtf8(bytes); // Deno recognizes ASCII faster than UTF-8
  const output: Output = { text: "", ...(!isText && { encoding: "base64" }) };
  defineLazyText(output, "text", new LazyText(bytes, isText ? "utf8" : "base64", release));
  return output;
}
