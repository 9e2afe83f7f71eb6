import { open } from "node:fs/promises";

const CHUNK_BYTES = 256 * 1024;

/** Reads a file to which another process appends: only the bytes that the process has announced. */
export class GrowingFile {
  readonly #path: string;
  #announcedBytes = 0;
  #isComplete = false;
  #wake = () => {};

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Makes bytes available.
   *
   * @param bytes the size of the file that may be read.
   * @throws `RangeError` when the file would shrink or is complete.
   */
  announce(bytes: number): void {
    if (bytes < this.#announcedBytes || this.#isComplete) {
      const size = `${this.#announcedBytes} bytes${this.#isComplete ? " (complete)" : ""}`;
      throw new RangeError(`Cannot read the file: its size changed from ${size} to ${bytes} bytes`);
    }
    this.#announcedBytes = bytes;
    this.#wake();
  }

  /** Ends the chunks after the bytes that were announced. */
  complete(): void {
    this.#isComplete = true;
    this.#wake();
  }

  /**
   * Yields the bytes as they are announced. All chunks share one buffer: each is valid until the next one is requested.
   *
   * @throws `Error` when the file has fewer bytes than announced.
   */
  async *chunks(): AsyncGenerator<Uint8Array, void> {
    const file = await open(this.#path, "r");
    try {
      const buffer = new Uint8Array(CHUNK_BYTES);
      for (let read = 0;;) {
        while (read === this.#announcedBytes && !this.#isComplete) {
          await new Promise<void>((resolve) => this.#wake = resolve);
        }
        if (read === this.#announcedBytes) return;
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, this.#announcedBytes - read));
        if (bytesRead === 0) {
          throw new Error(`Cannot read the file: it has ${read} bytes instead of ${this.#announcedBytes}`);
        }
        read += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }
}
