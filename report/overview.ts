/** The text at the top of a report: a part of its HTML, and in a live page kept up to date. @module */

import { counted, duration, grouped, percentage, rate } from "../text/format.ts";
import type { Outcome } from "../records/result.ts";
import { busyText } from "../results/statistics/busy_text.ts";
import type { RunFigures } from "../results/statistics/run_statistics.ts";
import type { ReportOverview } from "./data.ts";

/** One of the figures. */
export interface Tile {
  name: string;
  value: string;
  detail: string;
}

/** The share of the results that have an outcome. */
export interface OutcomeShare {
  outcome: Outcome;
  count: string;
  share: string;
}

/** Returns the figures, with the most important first. */
export function tilesOf({ figures, cpuStepMs }: ReportOverview): Tile[] {
  const { results, attempts, retried, spanMs, perSecond, slots, durationMs, cpuMs } = figures;
  return [
    {
      name: "results",
      value: grouped(results),
      detail: `${counted(attempts, "attempt")}, ${counted(retried, "task")} retried`,
    },
    {
      name: "elapsed time",
      value: duration(spanMs),
      detail: perSecond === undefined ? "" : `${rate(perSecond)} tasks per second`,
    },
    { name: "slots", value: grouped(slots), detail: busyText(figures) },
    { name: "median duration", value: duration(durationMs.p50), detail: `99th percentile ${duration(durationMs.p99)}` },
    { name: "longest task", value: duration(durationMs.max), detail: `${duration(durationMs.total)} in total` },
    {
      name: "CPU time",
      value: cpuMs ? duration(cpuMs.total) : "–",
      detail: cpuDetail(figures, cpuStepMs),
    },
  ];
}

/** Returns the outcomes of a run, with the most frequent first. */
export function outcomesOf({ outcomes, results }: RunFigures): OutcomeShare[] {
  return Object.entries(outcomes).map(([outcome, count]) => ({
    outcome: outcome as Outcome,
    count: grouped(count),
    share: percentage(count / results),
  }));
}

/** Returns when a run took place: `2026-11-27 15:11:15 to 2026-11-27 15:11:49 UTC`. */
export function periodOf({ startedAt, endedAt }: RunFigures): string {
  const [start, end] = [startedAt, endedAt].map((time) => time.replace("T", " ").replace(/\.\d+Z/, ""));
  return `${start} to ${end} UTC`;
}

function cpuDetail({ cpuMs }: RunFigures, stepMs: number | undefined): string {
  if (!cpuMs) return "unknown";
  if (cpuMs.max === 0) return `each task ${cpuTime(0, stepMs)}`;
  return `${duration(cpuMs.mean)} on average, ${duration(cpuMs.max)} max`;
}

/** Formats a CPU time; a time of 0 is less than a step of the clock. */
export function cpuTime(ms: number, stepMs: number | undefined): string {
  return ms === 0 && stepMs !== undefined ? `under ${duration(stepMs)}` : duration(ms);
}
