const SMALLEST_MS = 0.001;
/** Two neighbours are 2.2 % apart, so that what is said of a value is right to 1.1 %. */
const BUCKETS_PER_OCTAVE = 32;
/** Up to 100 years. */
const OCTAVES = 52;
/** A bar of a picture is that many buckets: four to an octave. */
const BUCKETS_PER_BAR = 8;

/** A part of the values, for a picture. */
export interface Bar {
  fromMs: number;
  toMs: number;
  count: number;
}

/** What many values come to, right to 1.1 %; the least, the greatest and the total are exact. */
export interface Distribution {
  count: number;
  min: number;
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
  total: number;
}

/** Counts times by their magnitude, in always the same memory. */
export class LogHistogram {
  /** The first is for what is below the smallest. */
  readonly #counts = new Float64Array(OCTAVES * BUCKETS_PER_OCTAVE + 1);
  #count = 0;
  #total = 0;
  #min = Infinity;
  #max = -Infinity;

  /** Adds a time, in milliseconds. */
  add(ms: number): void {
    const index = ms < SMALLEST_MS ? 0 : 1 + Math.floor(Math.log2(ms / SMALLEST_MS) * BUCKETS_PER_OCTAVE);
    this.#counts[Math.min(index, this.#counts.length - 1)]!++;
    this.#count++;
    this.#total += ms;
    if (ms < this.#min) this.#min = ms;
    if (ms > this.#max) this.#max = ms;
  }

  /** What they come to; `undefined` when there are none. */
  get distribution(): Distribution | undefined {
    if (this.#count === 0) return undefined;
    const [count, total, min, max] = [this.#count, this.#total, this.#min, this.#max];
    const [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map((share) => this.#percentile(share)) as [
      number,
      number,
      number,
      number,
    ];
    return { count, min, mean: total / count, p50, p90, p99, p999, max, total };
  }

  /** The bars of a picture: that of what is below a microsecond if there is any, and from the first of the others to the last. */
  get bars(): Bar[] {
    const bars: Bar[] = [];
    for (let begin = 1; begin < this.#counts.length; begin += BUCKETS_PER_BAR) {
      const end = begin + BUCKETS_PER_BAR;
      const count = this.#counts.subarray(begin, end).reduce((sum, count) => sum + count, 0);
      if (count > 0 || bars.length > 0) bars.push({ fromMs: lowerBound(begin), toMs: lowerBound(end), count });
    }
    const shown = bars.slice(0, bars.findLastIndex(({ count }) => count > 0) + 1);
    const [none] = this.#counts;
    return none! > 0 ? [{ fromMs: 0, toMs: SMALLEST_MS, count: none! }, ...shown] : shown;
  }

  /** The nearest-rank percentile: the least value that so many are not above. */
  #percentile(share: number): number {
    const rank = Math.ceil(share * this.#count);
    let seen = 0;
    const index = this.#counts.findIndex((count) => (seen += count) >= rank);
    const middle = index === 0 ? 0 : Math.sqrt(lowerBound(index) * lowerBound(index + 1));
    return Math.min(Math.max(middle, this.#min), this.#max);
  }
}

function lowerBound(index: number): number {
  return SMALLEST_MS * 2 ** ((index - 1) / BUCKETS_PER_OCTAVE);
}
