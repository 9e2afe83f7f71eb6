import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const CHUNK_BYTES = 256 * 1024;

/** Bytes that can be read at any offset. */
export interface RandomAccess {
  /** Fills a buffer with the bytes at an offset. Returns the number of bytes, which is less at the end. */
  readAt(buffer: Uint8Array, offset: number): number;
  close(): void;
}

/**
 * A regular file that stays open, so that replacing the file does not change its bytes. The file is a descriptor and not a
 * `FileHandle`, which Bun refuses to collect before it is closed.
 */
export class RandomAccessFile implements RandomAccess {
  readonly #descriptor: number;
  #isClosed = false;

  /** @throws the error of the system. */
  constructor(path: string) {
    this.#descriptor = openSync(path, "r");
  }

  /** The size of the file and the time of its last change, as text that differs after a change. */
  get version(): string {
    const { size, mtimeMs } = fstatSync(this.#descriptor);
    return `${size} ${mtimeMs}`;
  }

  readAt(buffer: Uint8Array, offset: number): number {
    return readAllAt(this.#descriptor, buffer, offset);
  }

  /** Closes the file. Does nothing the second time. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#descriptor);
  }
}

/** Reads bytes from their beginning. Each chunk is valid until the next one is requested. */
export function* chunksOf(bytes: RandomAccess): Generator<Uint8Array, void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let offset = 0;;) {
    const bytesRead = bytes.readAt(buffer, offset);
    if (bytesRead === 0) return;
    offset += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Reads until the buffer is full or the file ends. Returns the number of bytes. */
export function readAllAt(descriptor: number, buffer: Uint8Array, offset: number): number {
  let filled = 0;
  while (filled < buffer.length) {
    const bytesRead = readSync(descriptor, buffer, filled, buffer.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
