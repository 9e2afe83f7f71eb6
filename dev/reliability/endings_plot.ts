/**
 * Draws the measurements of `endings.ts` and prints them as a table.
 *
 *     deno run -A dev/reliability/endings_plot.ts SAMPLES.jsonl docs/endings.svg
 */

import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { median } from "../bench/median.ts";
import { drawPanels, type Panel } from "../bench/panels.ts";
import { readJsonLines } from "../../jsonl/mod.ts";

/** The measurement of one terminated run. */
export interface Ending {
  runtime: string;
  executor: string;
  /** Number of running tasks. */
  tasks: number;
  /** Number of processes that do not belong to the run. */
  foreign: number;
  /** Time from SIGTERM to the exit of the command. */
  seconds: number;
  /** CPU time of the command and its tasks during that time. */
  cpuSeconds: number;
  /** Time from the start of the command until all tasks were running. */
  startSeconds: number;
  /** Number of tasks by status and signal. */
  ends: Readonly<Record<string, number>>;
  /** Mean cost of forking a static program, measured before and after the run. */
  forkUs: number;
}

/** Cost of forking a static program on the machine for which the limits are defined. */
const REFERENCE_FORK_US = 100;
const RUNTIMES = { deno: "Deno", bun: "Bun", node: "Node" };
const COLORS = ["#1668b8", "#e08a2c", "#3f9142", "#888888"];
/** Maximum durations on a machine where a fork costs {@linkcode REFERENCE_FORK_US}. */
const LIMITS: readonly (readonly [tasks: number, seconds: number])[] = [[250, 0.5], [1000, 2], [2000, 4]];

/** Scales a duration to a machine where a fork costs {@linkcode REFERENCE_FORK_US}. */
const inProportion = ({ seconds, forkUs }: Ending) => seconds * REFERENCE_FORK_US / forkUs;

/** Draws a chart per executor and number of other processes, with one line per runtime and the limit. */
export function drawEndings(endings: readonly Ending[]): string {
  const rows = distinct(endings.map(({ foreign }) => foreign)).map((foreign) =>
    distinct(endings.map(({ executor }) => executor)).map((executor): Panel => ({
      title: `${executor} executor, ${foreign === 0 ? "alone" : `beside ${grouped(foreign)} other processes`}: seconds`,
      xAxis: { type: "value", min: 0, max: 2000, name: "running tasks", nameLocation: "middle", nameGap: 24 },
      yAxis: { type: "value", min: 0 },
      lines: [
        ...Object.keys(RUNTIMES).map((runtime) => {
          const some = endings.filter((one) =>
            one.runtime === runtime && one.executor === executor && one.foreign === foreign
          );
          return distinct(some.map(({ tasks }) => tasks)).map((tasks) => {
            const ofTasks = some.filter((one) => one.tasks === tasks);
            return [tasks, Number(median(ofTasks.map(inProportion)).toFixed(3))];
          });
        }),
        [[0, 0], ...LIMITS],
      ],
    }))
  );
  return drawPanels(rows, {
    title: `From SIGTERM until the command is gone, where a static fork costs ${REFERENCE_FORK_US / 1000} ms`,
    legend: [...Object.values(RUNTIMES), "limit"],
    colors: COLORS,
    line: { symbolSize: 6 },
    width: 900,
    height: 90 + rows.length * 260,
  });
}

/** Formats the measurements as a Markdown table. */
export function tableOf(endings: readonly Ending[]): string {
  const rows = Map.groupBy(
    endings,
    ({ foreign, executor, runtime, tasks }) =>
      [grouped(foreign), executor, RUNTIMES[runtime as keyof typeof RUNTIMES], grouped(tasks)].join(" | "),
  );
  const lines = [...rows].map(([row, some]) => {
    const cells = [
      median(some.map(({ seconds }) => seconds)).toFixed(2),
      Math.min(...some.map(({ seconds }) => seconds)).toFixed(2),
      median(some.map(({ cpuSeconds }) => cpuSeconds)).toFixed(2),
      (median(some.map(({ forkUs }) => forkUs)) / 1000).toFixed(2),
      median(some.map(inProportion)).toFixed(2),
    ];
    return `| ${row} | ${cells.join(" | ")} |`;
  });
  const head = [
    "others",
    "executor",
    "runtime",
    "tasks",
    "median, s",
    "min, s",
    "CPU, s",
    "static fork, ms",
    `median at ${REFERENCE_FORK_US / 1000} ms a fork, s`,
  ];
  return [`| ${head.join(" | ")} |`, `|${head.map(() => " --- |").join("")}`, ...lines].join("\n");
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

if (import.meta.main) {
  const [data, picture] = process.argv.slice(2);
  if (!data || !picture) throw new Error("Usage: endings_plot.ts SAMPLES.jsonl PICTURE.svg");
  const lines = readJsonLines(createReadStream(data), { parse: (value) => value as Ending });
  const endings = (await Array.fromAsync(lines)).map(({ value }) => value);
  console.log(tableOf(endings));
  await writeFile(picture, `${drawEndings(endings)}\n`);
}
