import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs";

/** A task may replace its output file: these flags follow no link, and do not wait for the writer of a FIFO. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
const buffer = new Uint8Array(64 * 1024);
/** The number of bytes to read in one turn of the event loop. */
const TURN_BYTES = 1024 * 1024;

/** Reads a file while another process appends to it. */
export class OutputFollower {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #onBytes: (bytes: Uint8Array) => Promise<void> | undefined;
  #offset = 0;
  /** Settles when the receiver takes more. The output stays in the file until then. */
  #pause: Promise<void> | undefined;

  /**
   * @param maxBytes The number of bytes to deliver at most.
   * @param onBytes Called with each chunk. The chunk stays valid. The next chunk waits for a returned promise.
   */
  constructor(path: string, maxBytes: number, onBytes: (bytes: Uint8Array) => Promise<void> | undefined) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#onBytes = onBytes;
  }

  /** Delivers new bytes up to the offset `end`, at most 1 MiB. Returns true when there may be more. */
  read(end: number = Infinity): boolean {
    if (this.#pause) return true;
    let file: number | undefined;
    try {
      file = openSync(this.#path, OPEN_FLAGS);
      if (!fstatSync(file).isFile()) return false;
      return this.#readFrom(file, Math.min(end, this.#maxBytes));
    } catch {
      return false; // the result reports the error
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  /** Delivers the remaining bytes. What a background process appends from now on is left out. */
  async readAll(): Promise<void> {
    const { size } = lstatSync(this.#path, { throwIfNoEntry: false }) ?? { size: 0 };
    while (this.read(size)) await (this.#pause ?? new Promise<void>((resolve) => setImmediate(resolve)));
  }

  #readFrom(file: number, end: number): boolean {
    for (const turnEnd = this.#offset + TURN_BYTES; this.#offset < turnEnd;) {
      const wanted = Math.min(buffer.length, end - this.#offset);
      if (wanted <= 0) return false;
      const length = readSync(file, buffer, 0, wanted, this.#offset);
      if (length === 0) return false;
      this.#offset += length;
      this.#pause = this.#onBytes(buffer.slice(0, length))?.then(() => {
        this.#pause = undefined;
      });
      if (this.#pause) return true;
    }
    return true;
  }
}
