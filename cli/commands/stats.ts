import { excerpt, printableJson } from "../../text/excerpt.ts";
import { formatCount, formatDuration, formatPercentage, formatRate, pluralize } from "../../text/format.ts";
import type { Distribution } from "../../results/statistics/log_histogram.ts";
import type { RunFigures } from "../../results/statistics/run_statistics.ts";
import { resultsPath } from "../args/operands.ts";
import { defineCommand } from "../command.ts";

/** Number of tasks to name as the slowest. */
const MAX_NAMED_TASKS = 3;

/** `taskrunner stats`: prints statistics of a results file. */
export const stats = defineCommand({
  name: "stats",
  usage: "RESULTS.jsonl|- [FLAGS]",
  summary: "Print counts, percentiles and the rate",
  examples: [
    { command: "taskrunner stats results.jsonl", text: "Print the statistics of a run" },
    { command: "taskrunner stats results.jsonl --json | jq .durationMs.p99", text: "Print a single figure" },
    { command: "gzip -cd results.jsonl.gz | taskrunner stats -", text: "Read the results from standard input" },
  ],
  operandCompletes: "file",
  flags: {
    "Flags": { json: { help: "print one line of JSON, with times in milliseconds" } },
  },
  endsAtSignal: true,
  async run({ flags, operands }, io) {
    const path = resultsPath(operands);
    const [{ readResultsFrom, noResults }, { RunStatistics }, { TopK }, { busyText }] = await Promise.all([
      import("../results_input.ts"),
      import("../../results/statistics/run_statistics.ts"),
      import("../../results/statistics/top_k.ts"),
      import("../../results/statistics/busy_text.ts"),
    ]);
    const statistics = new RunStatistics();
    const slowest = new TopK<Named>(MAX_NAMED_TASKS, ({ durationMs }) => durationMs);
    await readResultsFrom(path, io, (result) => {
      statistics.add(result);
      if (result.outcome !== "skipped") slowest.add(result);
    });
    const { figures } = statistics;
    if (!figures) throw noResults(path);
    const named = slowest.values.map(({ id, durationMs }) => ({ id, durationMs }));
    const text = flags.json
      ? `${printableJson({ ...figures, slowest: named }, rounded)}\n`
      : linesOf(figures, busyText(figures), named).map((line) => `${line}\n`).join("");
    await io.stdout.write(new TextEncoder().encode(text));
    return 0;
  },
});

/** A task with its duration. */
interface Named {
  id: string;
  durationMs: number;
}

/** Rounds times to microseconds, the precision of the clocks. */
function rounded(key: string, value: unknown): unknown {
  const isTime = typeof value === "number" && key !== "perSecond" && key !== "utilization";
  return isTime ? Math.round(value * 1000) / 1000 : value;
}

function linesOf(figures: RunFigures, busy: string, slowest: readonly Named[]): string[] {
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
    ...slowest.length === 0 ? [] : [
      `slots      ${formatCount(slots)}, ${busy}`,
      ...table(figures),
      `slowest    ${slowest.map(({ id, durationMs }) => `${excerpt(id)} ${formatDuration(durationMs)}`).join(", ")}`,
    ],
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
