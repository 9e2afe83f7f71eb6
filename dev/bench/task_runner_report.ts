/**
 * Creates tables and a chart from the measurements of `task_runner.ts`.
 *
 *     deno run -A dev/bench/task_runner_report.ts dev/bench/results/NAME.jsonl docs/task_runner.svg > tables.md
 */

import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { readJsonLines } from "../../jsonl/mod.ts";
import { median } from "./median.ts";
import { drawPanels, type Panel } from "./panels.ts";
import { type Measurement, MODES } from "./task_runner.ts";

const [dataPath, picturePath] = process.argv.slice(2);
if (!dataPath || !picturePath) throw new Error("Usage: task_runner_report.ts DATA.jsonl PICTURE.svg");
const lines = readJsonLines<Measurement>(createReadStream(dataPath), { parse: (value) => value as Measurement });
const measurements = (await Array.fromAsync(lines)).map(({ value }) => value);

const kinds = { raw: "echo N", sleep: "sleep 0.001–0.010 && echo N" } as const;
/** Names of the modes in the chart. */
const labels = ["one by one", "a pool in the program", "TaskRunner"];
const runtimes = { deno: "Deno", bun: "Bun", node: "Node" } as const;
type Kind = keyof typeof kinds;
type Runtime = keyof typeof runtimes;
const counts = distinct(({ count }) => count);
const sizes = distinct(({ megabytes }) => megabytes);

for (const kind of Object.keys(kinds) as Kind[]) {
  for (const count of counts) {
    console.log(`\n## \`${kinds[kind]}\`, ${count.toLocaleString("en")} tasks\n`);
    console.log("| runtime | memory, MB | one by one | pool | TaskRunner | relative to the pool | relative to 0 MB |");
    console.log("|---|---:|---:|---:|---:|---:|---:|");
    for (const runtime of Object.keys(runtimes) as Runtime[]) {
      const small = speedsOf(runtime, kind, count, sizes[0]!)[2]!;
      for (const size of sizes) {
        const [oneByOne, pool, runner] = speedsOf(runtime, kind, count, size);
        const cells = [runtimes[runtime], size, oneByOne, pool, runner].map((cell) => whole(cell!));
        console.log(`| ${[...cells, `${(runner! / pool!).toFixed(1)} ×`, (runner! / small).toFixed(2)].join(" | ")} |`);
      }
    }
  }
}

console.log("\n## Delay of a 1 ms timer, in milliseconds\n");
console.log("| runtime | memory, MB | median | 99 % | 99.9 % | maximum of each round |");
console.log("|---|---:|---:|---:|---:|---|");
for (const runtime of Object.keys(runtimes) as Runtime[]) {
  for (const size of sizes) {
    const late = find(runtime, "raw", counts.at(-1)!, size, "TaskRunner").map(({ lateMs }) => lateMs);
    const parts = (["median", "p99", "p999"] as const).map((part) => median(late.map((of) => of[part])));
    const longest = late.map(({ max }) => max.toFixed(0)).join(", ");
    console.log(`| ${[runtimes[runtime], size, ...parts, longest].join(" | ")} |`);
  }
}

await writeFile(picturePath, `${picture(counts.at(-1)!)}\n`);

function distinct(of: (measurement: Measurement) => number): number[] {
  return [...new Set(measurements.map(of))].sort((a, b) => a - b);
}

function find(runtime: Runtime, kind: Kind, count: number, megabytes: number, mode: string): Measurement[] {
  return measurements.filter((of) =>
    of.runtime === runtime && of.kind === kind && of.count === count && of.megabytes === megabytes && of.mode === mode
  );
}

/** Returns the tasks per second of each mode. */
function speedsOf(runtime: Runtime, kind: Kind, count: number, megabytes: number): number[] {
  return MODES.map((mode) =>
    median(find(runtime, kind, count, megabytes, mode).map(({ tasks, seconds }) => tasks / seconds))
  );
}

function whole(cell: string | number): string {
  return typeof cell === "number" ? Math.round(cell).toLocaleString("en") : cell;
}

/** Draws a panel for each runtime and kind of task, with speed over memory and one line per mode. */
function picture(count: number): string {
  const rows = (Object.keys(kinds) as Kind[]).map((kind, row) =>
    (Object.keys(runtimes) as Runtime[]).map((runtime): Panel => {
      const speeds = sizes.map((size) => speedsOf(runtime, kind, count, size));
      return {
        title: `${runtimes[runtime]}, ${kinds[kind]}`,
        xAxis: {
          type: "category",
          data: sizes.map(String),
          ...(row === 1 && { name: "memory of the program, MB", nameLocation: "middle", nameGap: 28 }),
        },
        yAxis: { type: "log", min: 10, max: 10_000 },
        lines: labels.map((_, mode) => speeds.map((of) => Math.round(of[mode]!))),
      };
    })
  );
  return drawPanels(rows, {
    title: `${count.toLocaleString("en")} tasks, 16 at once: tasks per second`,
    legend: labels,
    colors: ["#9aa3ad", "#e08a2c", "#1668b8"],
    line: { symbolSize: 6 },
    width: 1000,
    height: 600,
  });
}
