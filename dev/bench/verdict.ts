/** Decides which rows reach their targets. @module */

import { median } from "./median.ts";
import type { MeasurementLine } from "./raw_data.ts";
import type { Figure, Goal, Row, Target } from "./row.ts";
import type { RuntimeName } from "./runtimes.ts";

/** The cost of a static fork above which the machine counts as one where a fork is expensive. */
const EXPENSIVE_FORK_US = 250;

/** The median and the range of some values. */
export interface Range {
  median: number;
  min: number;
  max: number;
}

/** The figure of a goal on a runtime. */
export interface Verdict extends Range {
  least: number;
  /** The figure to aim at; absent if it depends on a contender that was not measured. */
  aim?: number;
  level: "short" | "least" | "aim";
}

/** Returns the state of the machine during some measurements. */
export function stateOf(samples: readonly Pick<MeasurementLine, "forkUs">[]): "cheap" | "expensive" {
  return median(samples.map(({ forkUs }) => forkUs)) > EXPENSIVE_FORK_US ? "expensive" : "cheap";
}

/** Returns the values of a contender: CPU time per task in µs, or ratios to the reference within the same round. */
export function valuesOf(
  samples: readonly MeasurementLine[],
  figure: Figure,
  contender: string,
  reference?: string,
): number[] {
  const own = samples.filter((sample) => sample.contender === contender);
  if (figure === "cpu") return own.flatMap(({ cpuSeconds, tasks }) => cpuSeconds ? [cpuSeconds * 1e6 / tasks] : []);
  const quantity = ({ tasks, seconds, peakMiB }: MeasurementLine) => figure === "speed" ? tasks / seconds : peakMiB;
  return own.flatMap((sample) => {
    const other = samples.find(({ contender, round }) => contender === reference && round === sample.round);
    const [value, base] = [quantity(sample), other && quantity(other)];
    return value && base ? [value / base] : [];
  });
}

/** Returns the median of some values and their range, or `undefined` without values. */
export function rangeOf(values: readonly number[]): Range | undefined {
  if (values.length === 0) return undefined;
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Judges the measurements of a row by a goal; returns `undefined` if the goal was not measured on the runtime. */
export function judge(
  row: Row,
  goal: Goal,
  runtime: RuntimeName,
  samples: readonly MeasurementLine[],
): Verdict | undefined {
  const contender = goal.contender(runtime);
  if (contender === undefined) return undefined;
  const reference = goal.reference?.(runtime) ?? row.reference;
  const values = rangeOf(valuesOf(samples, goal.figure, contender, reference));
  if (!values) return undefined;
  const target = goal.targets[stateOf(samples)];
  const least = leastOf(target, runtime);
  const isAtLeast = (limit: number) => goal.figure === "speed" ? values.median >= limit : values.median <= limit;
  const isAimReached = () => {
    if (aim === undefined) return false;
    return typeof target.aim === "number" ? isAtLeast(aim) : values.median > aim;
  };
  const aim = aimOf(target, (peer) => rangeOf(valuesOf(samples, goal.figure, peer, reference))?.median);
  const level = isAimReached() ? "aim" : isAtLeast(least) ? "least" : "short";
  return { ...values, least, ...aim !== undefined && { aim }, level };
}

/** Returns the least acceptable figure on a runtime. */
export function leastOf({ least }: Target, runtime: RuntimeName): number {
  return typeof least === "number" ? least : least[runtime];
}

/** Returns the figure to aim at: that of the best of the contenders, if the target names some. */
function aimOf({ aim }: Target, medianOf: (contender: string) => number | undefined): number | undefined {
  if (typeof aim === "number") return aim;
  const peers = aim.map(medianOf);
  return peers.includes(undefined) ? undefined : Math.max(...peers as number[]);
}
