/** Values over time, in buckets of equal width. */
export interface TimeSeries {
  /** Beginning of the first bucket, in milliseconds since 1970. */
  fromMs: number;
  /** Width of a bucket, in milliseconds. */
  widthMs: number;
  values: number[];
}

/**
 * Aggregates values over time in constant memory. Buckets have a width of 1 ms at first, and merge in pairs when there would
 * be too many. Each begins at a multiple of its width, so that the order of the values does not matter.
 */
export class TimeBuckets {
  readonly #maxBuckets: number;
  #widthMs = 1;
  /** Beginning of the first bucket, in widths. */
  #first = 0;
  #bucketCount = 0;
  readonly #series: Float64Array[] = [];

  /** @param maxBuckets an even number. */
  constructor(maxBuckets: number) {
    this.#maxBuckets = maxBuckets;
  }

  /** Adds a series, and returns its number. */
  addSeries(): number {
    return this.#series.push(new Float64Array(this.#maxBuckets)) - 1;
  }

  /** Counts an event. */
  count(series: number, atMs: number): void {
    this.#cover(atMs, atMs);
    this.#series[series]![Math.floor(atMs / this.#widthMs) - this.#first]!++;
  }

  /** Adds the milliseconds of a time span to the buckets that it overlaps, times a weight. */
  addSpan(series: number, fromMs: number, toMs: number, weight = 1): void {
    this.#cover(fromMs, toMs);
    const values = this.#series[series]!;
    const width = this.#widthMs;
    const last = Math.floor(toMs / width);
    let beginMs = fromMs;
    for (let bucket = Math.floor(fromMs / width); bucket <= last; bucket++) {
      const endMs = Math.min(toMs, (bucket + 1) * width);
      values[bucket - this.#first]! += (endMs - beginMs) * weight;
      beginMs = endMs;
    }
  }

  /** Returns a copy of a series. */
  read(series: number): TimeSeries {
    return {
      fromMs: this.#first * this.#widthMs,
      widthMs: this.#widthMs,
      values: [...this.#series[series]!.subarray(0, this.#bucketCount)],
    };
  }

  #cover(fromMs: number, toMs: number): void {
    let [first, end] = this.#reach(fromMs, toMs);
    while (end - first > this.#maxBuckets) {
      this.#doubleWidth();
      [first, end] = this.#reach(fromMs, toMs);
    }
    const shift = this.#first - first;
    if (shift > 0 && this.#bucketCount > 0) {
      for (const values of this.#series) values.copyWithin(shift, 0, this.#bucketCount).fill(0, 0, shift);
    }
    this.#first = first;
    this.#bucketCount = end - first;
  }

  /** Returns the first bucket that is needed, and the bucket after the last. */
  #reach(fromMs: number, toMs: number): [first: number, end: number] {
    const first = Math.floor(fromMs / this.#widthMs);
    const end = Math.floor(toMs / this.#widthMs) + 1;
    return this.#bucketCount === 0
      ? [first, end]
      : [Math.min(first, this.#first), Math.max(end, this.#first + this.#bucketCount)];
  }

  #doubleWidth(): void {
    const first = Math.floor(this.#first / 2);
    const bucketCount = this.#bucketCount === 0 ? 0 : Math.floor((this.#first + this.#bucketCount - 1) / 2) - first + 1;
    for (const values of this.#series) {
      const before = values.slice(0, this.#bucketCount);
      values.fill(0);
      before.forEach((value, index) => values[Math.floor((this.#first + index) / 2) - first]! += value);
    }
    this.#widthMs *= 2;
    this.#first = first;
    this.#bucketCount = bucketCount;
  }
}
