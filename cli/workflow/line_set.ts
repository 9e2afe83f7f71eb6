const MIN_BYTES = 64;

/** A set of line numbers, with a bit for each line up to the last one in the set. */
export class LineSet {
  #bits = new Uint8Array(MIN_BYTES);
  #size = 0;

  /** The number of lines. */
  get size(): number {
    return this.#size;
  }

  /** Adds a line. Returns false for a line that is already in the set. */
  add(line: number): boolean {
    const index = line >>> 3;
    while (index >= this.#bits.length) this.#bits = new Uint8Array(this.#bits.buffer.transfer(2 * this.#bits.length));
    if (this.has(line)) return false;
    this.#bits[index]! |= 1 << (line & 7);
    this.#size++;
    return true;
  }

  /** Adds the lines of another set. */
  addAll(other: LineSet): void {
    for (let index = 0; index < other.#bits.length; index++) {
      if (other.#bits[index] === 0) continue;
      for (let bit = 0; bit < 8; bit++) if (other.has(8 * index + bit)) this.add(8 * index + bit);
    }
  }

  /** Returns whether a line is in the set. */
  has(line: number): boolean {
    return ((this.#bits[line >>> 3] ?? 0) & 1 << (line & 7)) !== 0;
  }
}
