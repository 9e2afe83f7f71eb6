import { excerpt, printableJson } from "../../text/excerpt.ts";
import { formatCount, formatDuration, formatPercentage, formatRate, pluralize } from "../../text/format.ts";
import type { Distribution } from "../../results/statistics/log_histogram.ts";
import { type RunFigures, RunStatistics } from "../../results/statistics/run_statistics.ts";
import { busyText } from "../../results/statistics/busy_text.ts";
import { TopK } from "../../results/statistics/top_k.ts";
import type { Io } from "../io.ts";
import { noResults, readResultsFrom, type ResultsCommand, resultsPath } from "../results_input.ts";

/** How many tasks are named as the slowest. */
const NAMED = 3;

/** `stats RESULTS.jsonl`: what a run came to, in figures. */
export async function showStatistics(invocation: ResultsCommand, io: Io): Promise<number> {
  const path = resultsPath(invocation, ["json"]);
  const statistics = new RunStatistics();
  const slowest = new TopK<{ id: string; durationMs: number }>(NAMED, ({ durationMs }) => durationMs);
  await readResultsFrom(path, io, (result) => {
    statistics.add(result);
    slowest.add(result);
  });
  const { figures } = statistics;
  if (!figures) throw noResults(path);
  const named = slowest.values.map(({ id, durationMs }) => ({ id, durationMs }));
  const text = invocation.flags.json
    ? `${printableJson({ ...figures, slowest: named }, rounded)}\n`
    : [...lines(figures), `slowest    ${named.map(nameOf).join(", ")}`].map((line) => `${line}\n`).join("");
  await io.stdout.write(new TextEncoder().encode(text));
  return 0;
}

/** Milliseconds to the microsecond, as much as the clocks can tell. */
function rounded(key: string, value: unknown): unknown {
  const isTime = typeof value === "number" && key !== "perSecond" && key !== "utilization";
  return isTime ? Math.round(value * 1000) / 1000 : value;
}

function lines(figures: RunFigures): string[] {
  const { results, outcomes, attempts, retried, spanMs, perSecond, slots } = figures;
  const shares = Object.entries(outcomes).map(([outcome, count]) =>
    `${formatCount(count)} ${outcome} (${formatPercentage(count / results)})`
  );
  const [startedAt, endedAt] = [figures.startedAt, figures.endedAt].map((time) => time.replace(/\.\d+Z/, "Z"));
  const speed = perSecond === undefined ? "" : ` (${formatRate(perSecond)}/s)`;
  return [
    `results    ${formatCount(results)} in ${formatDuration(spanMs)}${speed}, ${startedAt} to ${endedAt}`,
    `outcomes   ${shares.join(", ")}`,
    `attempts   ${formatCount(attempts)}; ${pluralize(retried, "result")} took more than one`,
    `slots      ${formatCount(slots)}, ${busyText(figures)}`,
    ...table(figures),
  ];
}

const COLUMNS = {
  "min": "min",
  "median": "p50",
  "90 %": "p90",
  "99 %": "p99",
  "99.9 %": "p999",
  "max": "max",
  "mean": "mean",
  "total": "total",
} as const satisfies Record<string, keyof Distribution>;

function table({ durationMs, cpuMs }: RunFigures): string[] {
  const row = (name: string, cells: readonly string[]) =>
    name.padEnd(9) + cells.map((cell) => cell.padStart(10)).join("");
  const times = (of: Distribution) => Object.values(COLUMNS).map((column) => formatDuration(of[column]));
  return [
    row("", Object.keys(COLUMNS)),
    row("duration", times(durationMs)),
    ...cpuMs ? [row("CPU time", times(cpuMs))] : [],
  ];
}

function nameOf({ id, durationMs }: { id: string; durationMs: number }): string {
  return `${excerpt(id)} ${formatDuration(durationMs)}`;
}
