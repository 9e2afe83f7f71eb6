import { writeSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";

/** Writes all of the bytes: one write may take only some of them, as when a disk is nearly full. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}

/** The same on the calling thread: for a regular file, of which the system only takes a copy, a thread costs more. */
export function writeAllSync(file: FileHandle, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += writeSync(file.fd, bytes, written);
}
