/** Whether what was measured again and again during a run has stayed the same. */

import { median } from "../bench/median.ts";

/** How much more there may be at the end than before: a part of what there was, and in any case so much. */
export interface Tolerance {
  part: number;
  least: number;
}

/** What has become of a value. */
export interface Drift {
  /** The median of the second quarter: the first is for warming up. */
  before: number;
  /** The median of the last quarter. */
  after: number;
  isFlat: boolean;
}

/** With fewer values nothing can be said. */
const LEAST_VALUES = 12;

/**
 * Compares quarters of a run. Their medians do not care for what comes and goes; what is never given back shows in them,
 * as it is there longer than half a quarter.
 */
export function driftOf(values: readonly number[], { part, least }: Tolerance): Drift {
  if (values.length < LEAST_VALUES) throw new Error(`${values.length} samples are too few to tell whether it is flat`);
  const quarter = (number: number) => values.slice(number * values.length / 4, (number + 1) * values.length / 4);
  const [before, after] = [median(quarter(1)), median(quarter(3))];
  return { before, after, isFlat: after - before <= Math.max(before * part, least) };
}
