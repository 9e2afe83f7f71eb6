/**
 * Draws the samples of `soak.ts`.
 *
 *     deno run -A dev/reliability/soak_plot.ts SAMPLES.jsonl docs/soak.svg
 */

import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { median } from "../bench/median.ts";
import { drawPanels, type Panel } from "../bench/panels.ts";
import { readJsonLines } from "../../jsonl/mod.ts";
import type { Sample, Watched } from "./sampler.ts";

/** A line of the samples file. */
export type SampleLine = Omit<Watched, "samples"> & Sample;

const RUNTIMES = { deno: "Deno", bun: "Bun", node: "Node" };
const COLORS = ["#1668b8", "#e08a2c", "#3f9142"];
const METRICS = {
  memoryMiB: "memory of the tool, MiB",
  treeMiB: "with workers and tasks, MiB",
  descriptors: "descriptors",
  threads: "threads",
  processes: "processes",
  temporaryFiles: "temporary files",
} as const satisfies Partial<Record<keyof Sample, string>>;
/** Maximum number of points of a line. */
const POINTS = 150;

/** Draws a row of charts per resource and a column per run, with one line per runtime. */
export function drawSoak(lines: readonly SampleLine[]): string {
  const runs = [...new Set(lines.map(({ part, executor }) => `${part}, ${executor} executor`))];
  const rows = Object.entries(METRICS).map(([metric, title]) =>
    runs.map((run): Panel => ({
      title: `${run}: ${title}`,
      xAxis: { type: "value", max: "dataMax", name: "minutes", nameLocation: "middle", nameGap: 24 },
      yAxis: { type: "value", min: 0 },
      lines: Object.keys(RUNTIMES).map((runtime) =>
        pointsOf(
          lines.filter((line) => line.runtime === runtime && `${line.part}, ${line.executor} executor` === run),
          metric as keyof Sample,
        )
      ),
    }))
  );
  return drawPanels(rows, {
    title: "What long runs have, over time",
    legend: Object.values(RUNTIMES),
    colors: COLORS,
    line: { showSymbol: false, lineStyle: { width: 1.5 } },
    width: 1100,
    height: 90 + rows.length * 190,
  });
}

/** Returns points of minutes and values; of many samples, medians of consecutive ones. */
function pointsOf(samples: readonly Sample[], metric: keyof Sample): [number, number][] {
  const size = Math.ceil(samples.length / POINTS);
  return Array.from({ length: Math.ceil(samples.length / Math.max(size, 1)) }, (_, index) => {
    const some = samples.slice(index * size, (index + 1) * size);
    const value = median(some.map((sample) => sample[metric]));
    return [Number((some[0]!.seconds / 60).toFixed(2)), Number(value.toFixed(1))];
  });
}

if (import.meta.main) {
  const [data, picture] = process.argv.slice(2);
  if (!data || !picture) throw new Error("Usage: soak_plot.ts SAMPLES.jsonl PICTURE.svg");
  const lines = readJsonLines(createReadStream(data), { parse: (value) => value as SampleLine });
  await writeFile(picture, `${drawSoak((await Array.fromAsync(lines)).map(({ value }) => value))}\n`);
}
