import process from "node:process";

type Crc32 = (data: string | Uint8Array) => number;

const { Bun: bun } = globalThis as { Bun?: { hash: { crc32: Crc32 } } };

let ofRuntime: Crc32 | undefined;

/** Returns the CRC-32 of bytes, or of text in UTF-8, as zlib computes it. */
export function crc32(data: string | Uint8Array): number {
  // `node:zlib` takes 9 ms to load on Bun, more than an empty program takes to start.
  ofRuntime ??= bun ? bun.hash.crc32 : process.getBuiltinModule("node:zlib").crc32 as Crc32;
  return ofRuntime(data);
}
