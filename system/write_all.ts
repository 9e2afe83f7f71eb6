import { writeSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { retryOnEagain } from "./retry_on_eagain.ts";

/** Writes all bytes, because a single write may be partial, for example when the disk is nearly full. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const offset = written;
    written += (await retryOnEagain(() => file.write(bytes, offset, bytes.length - offset))).bytesWritten;
  }
}

/**
 * Writes all bytes synchronously. For a regular file the write is a copy into the page cache, cheaper than a thread.
 */
export function writeAllSync(file: Pick<FileHandle, "fd">, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += writeSync(file.fd, bytes, written);
}
