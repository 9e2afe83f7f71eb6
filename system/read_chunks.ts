import { open } from "node:fs/promises";

const CHUNK_BYTES = 256 * 1024;

/**
 * Reads a regular file in chunks. All chunks share one buffer, to spare the garbage collector: each is valid until the
 * next one is requested.
 *
 * @param endBytes Offset in bytes at which to stop reading; default: the end of the file.
 */
export async function* readChunks(path: string, endBytes = Infinity): AsyncGenerator<Uint8Array, void> {
  const file = await open(path, "r");
  try {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (let read = 0; read < endBytes;) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, endBytes - read));
      if (bytesRead === 0) return;
      read += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
