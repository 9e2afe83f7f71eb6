/** A multiple of a cache line. */
const OFFSET_BYTES = 128;

/** Buffers that are reused: a new buffer needs new pages, which takes the time of reading into them. */
export class BufferPool {
  readonly #maxFreeBytes: number;
  /** Free buffers by size. */
  readonly #free = new Map<number, Uint8Array[]>();
  #freeBytes = 0;

  /** @param maxFreeBytes The number of bytes that free buffers may occupy. */
  constructor(maxFreeBytes: number) {
    this.#maxFreeBytes = maxFreeBytes;
  }

  /** Returns a buffer of at least a number of bytes, with any content. */
  take(bytes: number): Uint8Array {
    const size = sizeFor(bytes);
    const buffer = this.#free.get(size)?.pop();
    if (!buffer) return createBuffer(size);
    this.#freeBytes -= size;
    return buffer;
  }

  /** Makes a buffer of {@linkcode take} free. */
  give(buffer: Uint8Array): void {
    const size = buffer.length;
    if (this.#freeBytes + size > this.#maxFreeBytes) return;
    const free = this.#free.get(size);
    if (free) free.push(buffer);
    else this.#free.set(size, [buffer]);
    this.#freeBytes += size;
  }
}

/**
 * Creates a buffer for reading. Some processors copy five times as slowly to an address that is 1 to 63 bytes after the
 * place of the source in its page, and large allocations begin 16 bytes after the beginning of a page.
 */
export function createBuffer(bytes: number): Uint8Array {
  return new Uint8Array(bytes + OFFSET_BYTES).subarray(OFFSET_BYTES);
}

/** Returns the next power of two, so that there are few sizes. */
function sizeFor(bytes: number): number {
  return bytes <= 1 ? 1 : 2 ** (32 - Math.clz32(bytes - 1));
}
