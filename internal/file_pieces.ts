import { open } from "node:fs/promises";

const PIECE_BYTES = 256 * 1024;

/**
 * Reads a regular file piece by piece into one buffer, so that a large one leaves nothing to be collected. A piece is valid
 * until the next one is asked for.
 */
export async function* filePieces(path: string): AsyncGenerator<Uint8Array, void> {
  const file = await open(path, "r");
  try {
    const buffer = new Uint8Array(PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
