import { writeSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { whenReady } from "./would_block.ts";

/** Writes all of the bytes: one write may take only some of them, as when a disk is nearly full. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const offset = written;
    written += (await whenReady(() => file.write(bytes, offset, bytes.length - offset))).bytesWritten;
  }
}

/** The same on the calling thread: for a regular file, of which the system only takes a copy, a thread costs more. */
export function writeAllSync(file: FileHandle, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += writeSync(file.fd, bytes, written);
}
