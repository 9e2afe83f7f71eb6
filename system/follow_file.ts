import type { Stats } from "node:fs";
import { ByteBuffer } from "./byte_buffer.ts";
import { openWithoutWaiting } from "./special_file.ts";
import { systemCode } from "./system_error.ts";

const LF = 0x0a;
const CHUNK_BYTES = 256 * 1024;
const POLL_MS = 250;

/**
 * Yields the complete lines of a growing file until `signal` aborts, several in a chunk. The file need not exist yet.
 * An unfinished last line is held back, because a program that resumes the file may truncate it.
 *
 * @throws `Error` when the file is replaced, or shrinks below what was already read.
 */
export async function* followLines(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  let offset = 0;
  let seen: Stats | undefined;
  while (!signal.aborted) {
    const file = await openWithoutWaiting(path).catch((error) => {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    });
    try {
      const status = await file?.stat();
      if (status && !status.isFile()) throw new Error("it is not a regular file");
      if (status && seen && (status.ino !== seen.ino || status.dev !== seen.dev)) {
        throw new Error("the file was replaced");
      }
      if (status && status.size < offset) throw new Error("the file was truncated or replaced");
      if (status && (status.size !== seen?.size || status.mtimeMs !== seen.mtimeMs)) {
        for await (const lines of completeLines(file!, offset)) {
          if (signal.aborted) return;
          offset += lines.length;
          yield lines;
        }
      }
      seen = status ?? seen;
    } finally {
      await file?.close();
    }
    await sleep(POLL_MS, signal);
  }
}

/** Reads the complete lines from a position to the end of the file. */
async function* completeLines(
  file: { read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }> },
  position: number,
): AsyncGenerator<Uint8Array, void> {
  const rest = new ByteBuffer();
  for (;;) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    const end = chunk.subarray(0, bytesRead).lastIndexOf(LF) + 1;
    rest.append(chunk.subarray(0, end));
    if (end > 0) yield rest.take();
    rest.append(chunk.subarray(end, bytesRead));
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
