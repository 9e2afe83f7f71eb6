/** Detects whether a value grows during a run. */

import { median } from "../bench/median.ts";

/** Tolerated growth: a share of the earlier value, but at least an absolute amount. */
export interface Tolerance {
  part: number;
  min: number;
}

/** The change of a value during a run. */
export interface Drift {
  /** The median of the second quarter; the first quarter is the warm-up. */
  before: number;
  /** The median of the last quarter. */
  after: number;
  isFlat: boolean;
}

/** Minimum number of samples for a comparison. */
const MIN_VALUES = 12;

/**
 * Compares the medians of two quarters of a run. Medians ignore temporary peaks, but include leaked resources, which
 * last longer than half a quarter.
 */
export function driftOf(values: readonly number[], { part, min }: Tolerance): Drift {
  if (values.length < MIN_VALUES) throw new Error(`Cannot compare: ${values.length} samples are too few`);
  const quarter = (number: number) => values.slice(number * values.length / 4, (number + 1) * values.length / 4);
  const [before, after] = [median(quarter(1)), median(quarter(3))];
  return { before, after, isFlat: after - before <= Math.max(before * part, min) };
}
