const SMALLEST_MS = 0.001;
/** Adjacent buckets are 2.2 % apart, so that percentiles are accurate to 1.1 %. */
const BUCKETS_PER_OCTAVE = 32;
/** Up to 140 years. */
const OCTAVES = 52;
/** A chart has four bars for an octave, unless the clock is coarser. */
const BARS_PER_OCTAVE = 4;
/** Resolutions of clocks: ticks of the kernel, as in the `times` of a shell; milliseconds; microseconds. */
const CLOCK_STEPS_MS = [10, 1, 0.001];

/** A bar of a chart: the number of values from `fromMs` up to `toMs`. */
export interface Bar {
  fromMs: number;
  toMs: number;
  count: number;
}

/** Summary of many values, accurate to 1.1 %; `min`, `max` and `total` are exact. */
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

/** Histogram of times with logarithmic buckets, in constant memory. */
export class LogHistogram {
  /** The first bucket counts values below the smallest. */
  readonly #counts = new Float64Array(OCTAVES * BUCKETS_PER_OCTAVE + 1);
  /** Index of the coarsest clock that can have measured all values. */
  #clock = 0;
  #count = 0;
  #total = 0;
  #min = Infinity;
  #max = -Infinity;

  /** Adds a time, in milliseconds. */
  add(ms: number): void {
    while (!isMultiple(ms, CLOCK_STEPS_MS[this.#clock])) this.#clock++;
    this.#counts[Math.min(bucketOf(ms), this.#counts.length - 1)]!++;
    this.#count++;
    this.#total += ms;
    if (ms < this.#min) this.#min = ms;
    if (ms > this.#max) this.#max = ms;
  }

  /** The summary; `undefined` without values. */
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

  /** Resolution of the clock that measured the values; `undefined` when they are not multiples of a known resolution. */
  get stepMs(): number | undefined {
    return this.#count === 0 ? undefined : CLOCK_STEPS_MS[this.#clock];
  }

  /**
   * The bars of a chart, none narrower than the resolution of the clock: the bar of the shortest values, if it has any, and
   * the other bars from the first to the last with values.
   */
  get bars(): Bar[] {
    const edges = this.#edges;
    const [short, ...others] = edges.slice(1).map((end, index): Bar => {
      const begin = edges[index]!;
      const count = this.#counts.subarray(begin, end).reduce((sum, count) => sum + count, 0);
      return { fromMs: this.#leastIn(begin), toMs: this.#leastIn(end), count };
    });
    const hasValues = ({ count }: Bar) => count > 0;
    const last = others.findLastIndex(hasValues);
    const shown = last < 0 ? [] : others.slice(others.findIndex(hasValues), last + 1);
    return hasValues(short!) ? [short!, ...shown] : shown;
  }

  /** The first bucket of each bar, and the end of the last bucket. */
  get #edges(): number[] {
    const { stepMs } = this;
    const end = this.#counts.length;
    const edges = [0];
    if (stepMs === undefined) {
      for (let edge = 1; edge < end; edge += BUCKETS_PER_OCTAVE / BARS_PER_OCTAVE) edges.push(edge);
    } else {
      for (let steps = 1; bucketOf(steps * stepMs) < end; steps = nextEdge(steps)) edges.push(bucketOf(steps * stepMs));
    }
    return [...edges, end];
  }

  /** Returns the least value that a bucket can have, given the clock. */
  #leastIn(bucket: number): number {
    const bound = lowerBound(bucket);
    const { stepMs } = this;
    return stepMs === undefined ? bound : Math.ceil(bound / stepMs - TOLERANCE) * stepMs;
  }

  /** Returns the nearest-rank percentile for a share from 0 to 1. */
  #percentile(share: number): number {
    const rank = Math.ceil(share * this.#count);
    let seen = 0;
    const bucket = this.#counts.findIndex((count) => (seen += count) >= rank);
    const middle = bucket === 0 ? 0 : Math.sqrt(lowerBound(bucket) * lowerBound(bucket + 1));
    const { stepMs } = this;
    const value = stepMs === undefined ? middle : Math.round(middle / stepMs) * stepMs;
    return Math.min(Math.max(value, this.#min), this.#max);
  }
}

/** Tolerance for rounding errors of floating-point arithmetic, as in `0.1 + 0.2`. */
const TOLERANCE = 1e-6;

function isMultiple(ms: number, stepMs: number | undefined): boolean {
  if (stepMs === undefined) return true;
  const steps = ms / stepMs;
  return Math.abs(steps - Math.round(steps)) < TOLERANCE;
}

function bucketOf(ms: number): number {
  return ms < SMALLEST_MS ? 0 : 1 + Math.floor(Math.log2(ms / SMALLEST_MS) * BUCKETS_PER_OCTAVE + TOLERANCE);
}

function lowerBound(bucket: number): number {
  return bucket === 0 ? 0 : SMALLEST_MS * 2 ** ((bucket - 1) / BUCKETS_PER_OCTAVE);
}

/** Returns the beginning of the next bar, in steps of the clock. */
function nextEdge(steps: number): number {
  return Math.max(steps + 1, Math.round(steps * 2 ** (1 / BARS_PER_OCTAVE)));
}
