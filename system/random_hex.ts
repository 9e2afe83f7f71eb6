import { Buffer } from "node:buffer";

/**
 * Returns random bytes as hexadecimal digits, two for each byte. Nobody can guess them.
 *
 * @param bytes The number of bytes.
 */
export function randomHex(bytes: number): string {
  // Not from `node:crypto`, which takes up to 8 ms to load.
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex");
}
