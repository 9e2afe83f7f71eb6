/** Makes archives whose bytes depend only on their files. @module */

import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";

/** A file in an archive. */
export interface ArchiveFile {
  name: string;
  bytes: Uint8Array;
  isExecutable?: boolean;
}

const BLOCK_BYTES = 512;

/**
 * Returns a `.tar.gz` archive in the ustar format: the files in the given order, all owned by user 0, with the given time
 * as the time of their last change. The gzip header has neither a name nor a time.
 */
export function tarGz(files: readonly ArchiveFile[], time: Date): Uint8Array {
  const blocks = files.flatMap(({ name, bytes, isExecutable = false }) => {
    const padding = new Uint8Array((BLOCK_BYTES - bytes.length % BLOCK_BYTES) % BLOCK_BYTES);
    return [header(name, bytes.length, isExecutable, time), bytes, padding];
  });
  return gzipSync(Buffer.concat([...blocks, new Uint8Array(2 * BLOCK_BYTES)]), { level: 6 });
}

function header(name: string, size: number, isExecutable: boolean, time: Date): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  const put = (text: string, offset: number, length: number) => {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > length) throw new RangeError(`Cannot archive ${name}: ${text} is longer than ${length} bytes`);
    block.set(bytes, offset);
  };
  const octal = (value: number, length: number) => value.toString(8).padStart(length - 1, "0");
  put(name, 0, 100);
  put(octal(isExecutable ? 0o755 : 0o644, 8), 100, 8);
  put(octal(0, 8), 108, 8);
  put(octal(0, 8), 116, 8);
  put(octal(size, 12), 124, 12);
  put(octal(Math.floor(time.getTime() / 1000), 12), 136, 12);
  put(" ".repeat(8), 148, 8); // the checksum counts its own field as spaces
  put("0", 156, 1);
  put("ustar\x0000", 257, 8);
  put("root", 265, 32);
  put("root", 297, 32);
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  put(`${octal(checksum, 7)}\0 `, 148, 8);
  return block;
}
