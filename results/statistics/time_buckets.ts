/** What happened over time, in equal parts of it. */
export interface TimeSeries {
  /** When the first part begins, in milliseconds since 1970. */
  fromMs: number;
  /** How long a part is. */
  widthMs: number;
  values: number[];
}

/**
 * Sums up over time in always the same memory: parts begin with a width of 1 ms, and when there would be too many of them,
 * two become one. They begin at multiples of their width, so that it does not matter in which order things come.
 */
export class TimeBuckets {
  readonly #maxParts: number;
  #widthMs = 1;
  /** Which multiple of the width the first part is. */
  #first = 0;
  #parts = 0;
  readonly #series: Float64Array[] = [];

  /** @param maxParts an even number. */
  constructor(maxParts: number) {
    this.#maxParts = maxParts;
  }

  /** Adds a series, and gives its number. */
  addSeries(): number {
    return this.#series.push(new Float64Array(this.#maxParts)) - 1;
  }

  /** Counts something that happened at one instant. */
  count(series: number, atMs: number): void {
    this.#cover(atMs, atMs);
    this.#series[series]![Math.floor(atMs / this.#widthMs) - this.#first]!++;
  }

  /** Adds to each part how many milliseconds of a span of time are in it. */
  addSpan(series: number, fromMs: number, toMs: number): void {
    this.#cover(fromMs, toMs);
    const values = this.#series[series]!;
    const width = this.#widthMs;
    const last = Math.floor(toMs / width);
    let beginMs = fromMs;
    for (let part = Math.floor(fromMs / width); part <= last; part++) {
      const endMs = Math.min(toMs, (part + 1) * width);
      values[part - this.#first]! += endMs - beginMs;
      beginMs = endMs;
    }
  }

  /** A series as it is now. */
  read(series: number): TimeSeries {
    return {
      fromMs: this.#first * this.#widthMs,
      widthMs: this.#widthMs,
      values: [...this.#series[series]!.subarray(0, this.#parts)],
    };
  }

  #cover(fromMs: number, toMs: number): void {
    let [first, end] = this.#reach(fromMs, toMs);
    while (end - first > this.#maxParts) {
      this.#doubleWidth();
      [first, end] = this.#reach(fromMs, toMs);
    }
    const shift = this.#first - first;
    if (shift > 0 && this.#parts > 0) {
      for (const values of this.#series) values.copyWithin(shift, 0, this.#parts).fill(0, 0, shift);
    }
    this.#first = first;
    this.#parts = end - first;
  }

  /** The first part there has to be, and the one after the last. */
  #reach(fromMs: number, toMs: number): [first: number, end: number] {
    const first = Math.floor(fromMs / this.#widthMs);
    const end = Math.floor(toMs / this.#widthMs) + 1;
    return this.#parts === 0 ? [first, end] : [Math.min(first, this.#first), Math.max(end, this.#first + this.#parts)];
  }

  #doubleWidth(): void {
    const first = Math.floor(this.#first / 2);
    const parts = this.#parts === 0 ? 0 : Math.floor((this.#first + this.#parts - 1) / 2) - first + 1;
    for (const values of this.#series) {
      const before = values.slice(0, this.#parts);
      values.fill(0);
      before.forEach((value, index) => values[Math.floor((this.#first + index) / 2) - first]! += value);
    }
    this.#widthMs *= 2;
    this.#first = first;
    this.#parts = parts;
  }
}
