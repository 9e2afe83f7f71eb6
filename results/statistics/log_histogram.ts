const SMALLEST_MS = 0.001;
/** Neighboring buckets are 2.2 % apart, so that a percentile is right to 1.1 %. */
const BUCKETS_PER_OCTAVE = 32;
/** Up to 140 years. */
const OCTAVES = 52;
/** A bar of a chart has four to an octave, unless the clock is coarser. */
const BARS_PER_OCTAVE = 4;
/** The steps in which clocks count: the kernel's ticks, as in a shell's `times`; milliseconds; microseconds. */
const CLOCK_STEPS_MS = [10, 1, 0.001];

/** A bar of a chart: the number of values from `fromMs` up to `toMs`. */
export interface Bar {
  fromMs: number;
  toMs: number;
  count: number;
}

/** The summary of many values, right to 1.1 %; `min`, `max` and `total` are exact. */
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

/** Counts times by their magnitude, in constant memory. */
export class LogHistogram {
  /** The first bucket is for values below the smallest. */
  readonly #counts = new Float64Array(OCTAVES * BUCKETS_PER_OCTAVE + 1);
  /** The index of the coarsest clock that can have measured all values. */
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

  /** The summary; `undefined` while there are no values. */
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

  /** The step of the clock that measured the values, of which all are multiples; `undefined` when there is none. */
  get stepMs(): number | undefined {
    return this.#count === 0 ? undefined : CLOCK_STEPS_MS[this.#clock];
  }

  /**
   * The bars of a chart, none narrower than a step of the clock: the bar of the values too short for it, if there are any,
   * and the other bars from the first to the last that has values.
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

  /** The buckets that bars begin with, and the end of the last bucket. */
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

  /** The least value that a bucket can hold, given the clock. */
  #leastIn(bucket: number): number {
    const bound = lowerBound(bucket);
    const { stepMs } = this;
    return stepMs === undefined ? bound : Math.ceil(bound / stepMs - TOLERANCE) * stepMs;
  }

  /** The nearest-rank percentile: the least value that is not below such a share of the values. */
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

/** For the errors of floating-point arithmetic, as of `0.1 + 0.2`. */
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

/** Where the bar after the one that begins at so many steps begins. */
function nextEdge(steps: number): number {
  return Math.max(steps + 1, Math.round(steps * 2 ** (1 / BARS_PER_OCTAVE)));
}
