import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** A task can replace its output file: a link is not followed, and a FIFO does not wait for a writer. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
const CHUNK_BYTES = 64 * 1024;
/** Bytes that are read at once, between two turns of the event loop. */
const TURN_BYTES = 1024 * 1024;

/** Reads what is appended to a file. */
export class OutputFollower {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #onBytes: (bytes: Uint8Array) => void;
  #offset = 0;

  /**
   * @param maxBytes Bytes after which nothing is delivered.
   * @param onBytes Called with each chunk, which it may keep.
   */
  constructor(path: string, maxBytes: number, onBytes: (bytes: Uint8Array) => void) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#onBytes = onBytes;
  }

  /** Delivers new bytes, up to a limit. Returns true when there may be more. */
  read(): boolean {
    let file: number | undefined;
    try {
      file = openSync(this.#path, OPEN_FLAGS);
      if (!fstatSync(file).isFile()) return false;
      return this.#readFrom(file);
    } catch {
      return false; // the result says what is wrong with the file
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  /** Delivers all bytes that are left. */
  async readAll(): Promise<void> {
    while (this.read()) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #readFrom(file: number): boolean {
    for (const end = this.#offset + TURN_BYTES; this.#offset < end;) {
      const wanted = Math.min(CHUNK_BYTES, this.#maxBytes - this.#offset);
      if (wanted <= 0) return false;
      const chunk = new Uint8Array(wanted);
      const length = readSync(file, chunk, 0, wanted, this.#offset);
      if (length === 0) return false;
      this.#offset += length;
      this.#onBytes(chunk.subarray(0, length));
    }
    return true;
  }
}
