import { Buffer } from "node:buffer";
import { constants } from "node:fs";
import { open } from "node:fs/promises";

/**
 * Reads the end of a regular file. Neither follows a link nor waits for a FIFO.
 *
 * @returns `undefined` when the file is missing, not a regular file, or unreadable.
 */
export async function readTail(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const status = await file.stat();
      if (!status.isFile()) return undefined;
      const begin = Math.max(0, status.size - maxBytes);
      const bytes = Buffer.alloc(status.size - begin);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, begin);
      return bytes.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}
