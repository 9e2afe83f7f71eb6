import { open } from "node:fs/promises";

const PIECE_BYTES = 256 * 1024;

/**
 * Reads a regular file piece by piece into one buffer, so that a large one leaves nothing to be collected. A piece is valid
 * until the next one is asked for.
 *
 * @param endBytes how much of the file is read.
 */
export async function* filePieces(path: string, endBytes = Infinity): AsyncGenerator<Uint8Array, void> {
  const file = await open(path, "r");
  try {
    const buffer = new Uint8Array(PIECE_BYTES);
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
