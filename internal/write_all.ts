import type { FileHandle } from "node:fs/promises";

/** Writes all of the bytes: one write may take only some of them, as when a disk is nearly full. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}
