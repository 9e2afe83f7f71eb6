/** The text at the top of a report: plain HTML in a saved report, updated by script in a live page. @module */

import { formatCount, formatDuration, formatPercentage, formatRate, pluralize } from "../text/format.ts";
import type { Outcome } from "../records/result.ts";
import { busyText } from "../results/statistics/busy_text.ts";
import type { RunFigures } from "../results/statistics/run_statistics.ts";
import type { ReportOverview } from "./data.ts";

/** One of the figures at the top of a report. */
export interface Tile {
  name: string;
  value: string;
  detail: string;
}

/** The number and share of results with an outcome. */
export interface OutcomeShare {
  outcome: Outcome;
  count: string;
  share: string;
}

/** Returns the figures, most important first. */
export function tilesOf({ figures, cpuStepMs }: ReportOverview): Tile[] {
  const { results, attempts, retried, spanMs, perSecond, slots, durationMs, cpuMs } = figures;
  return [
    {
      name: "results",
      value: formatCount(results),
      detail: `${pluralize(attempts, "attempt")}, ${pluralize(retried, "task")} retried`,
    },
    {
      name: "elapsed time",
      value: formatDuration(spanMs),
      detail: perSecond === undefined ? "" : `${formatRate(perSecond)} tasks per second`,
    },
    { name: "slots", value: formatCount(slots), detail: busyText(figures) },
    {
      name: "median duration",
      value: formatDuration(durationMs.p50),
      detail: `99th percentile ${formatDuration(durationMs.p99)}`,
    },
    {
      name: "longest task",
      value: formatDuration(durationMs.max),
      detail: `${formatDuration(durationMs.total)} in total`,
    },
    {
      name: "CPU time",
      value: cpuMs ? formatDuration(cpuMs.total) : "–",
      detail: cpuDetail(figures, cpuStepMs),
    },
  ];
}

/** Returns the outcomes of a run, most frequent first. */
export function outcomesOf({ outcomes, results }: RunFigures): OutcomeShare[] {
  return Object.entries(outcomes).map(([outcome, count]) => ({
    outcome: outcome as Outcome,
    count: formatCount(count),
    share: formatPercentage(count / results),
  }));
}

/** Formats the period of a run, as `2026-11-27 15:11:15 to 2026-11-27 15:11:49 UTC`. */
export function periodOf({ startedAt, endedAt }: RunFigures): string {
  const [start, end] = [startedAt, endedAt].map((time) => time.replace("T", " ").replace(/\.\d+Z/, ""));
  return `${start} to ${end} UTC`;
}

function cpuDetail({ cpuMs }: RunFigures, stepMs: number | undefined): string {
  if (!cpuMs) return "unknown";
  if (cpuMs.max === 0) return `each task ${cpuTime(0, stepMs)}`;
  return `${formatDuration(cpuMs.mean)} on average, ${formatDuration(cpuMs.max)} max`;
}

/** Formats a CPU time. A time of 0 means less than the resolution of the clock. */
export function cpuTime(ms: number, stepMs: number | undefined): string {
  return ms === 0 && stepMs !== undefined ? `under ${formatDuration(stepMs)}` : formatDuration(ms);
}
