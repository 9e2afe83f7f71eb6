/** Growable buffer of bytes. Copies each chunk: a chunk can be a small view that would keep a large buffer alive. */
export class ByteBuffer {
  #bytes = new Uint8Array();
  #length = 0;

  /** The number of bytes in the buffer. */
  get length(): number {
    return this.#length;
  }

  append(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(chunk, this.#length);
    this.#length = length;
  }

  /** Returns the bytes as a view that is valid until the next call of another method. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Returns all bytes and empties the buffer. */
  take(): Uint8Array {
    const bytes = this.view();
    this.#bytes = new Uint8Array();
    this.#length = 0;
    return bytes;
  }
}
