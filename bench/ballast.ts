/** Memory that a large program would hold. @module */

const CHUNK_BYTES = 1024 * 1024;

/** Takes that much memory and writes to all of it, as otherwise the system would only promise it. */
export function holdMemory(megabytes: number): Uint8Array[] {
  return Array.from({ length: megabytes }, (_, index) => new Uint8Array(CHUNK_BYTES).fill(index % 255 + 1));
}
