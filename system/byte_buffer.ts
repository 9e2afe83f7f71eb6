/** Collects bytes. It copies them: the pieces of a stream can be small views of large buffers, and would keep those. */
export class ByteBuffer {
  #bytes = new Uint8Array();
  #length = 0;

  /** How many bytes it holds. */
  get length(): number {
    return this.#length;
  }

  append(piece: Uint8Array): void {
    const length = this.#length + piece.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = length;
  }

  /** What it holds, until the next change. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Takes out all that it holds. */
  take(): Uint8Array {
    const bytes = this.view();
    this.#bytes = new Uint8Array();
    this.#length = 0;
    return bytes;
  }
}
