/** Keeps the k greatest of many values by a measure, in constant memory. */
export class TopK<T> {
  readonly #length: number;
  readonly #measure: (value: T) => number;
  #values: T[] = [];

  constructor(length: number, measure: (value: T) => number) {
    this.#length = length;
    this.#measure = measure;
  }

  /** Adds a value. Of equal values, the first stays. */
  add(value: T): void {
    const amount = this.#measure(value);
    if (this.#values.length === this.#length && amount <= this.#measure(this.#values.at(-1)!)) return;
    const index = this.#values.findIndex((other) => this.#measure(other) < amount);
    this.#values.splice(index === -1 ? this.#values.length : index, 0, value);
    this.#values.length = Math.min(this.#values.length, this.#length);
  }

  /** The values, greatest first. */
  get values(): readonly T[] {
    return this.#values;
  }
}
