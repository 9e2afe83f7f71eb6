/** Draws the speed by the number of slots and by the size of outputs, from the raw data of `deno task bench`. @module */

import { median } from "./median.ts";
import { drawPanels, type Panel } from "./panels.ts";
import { PARALLEL, XARGS } from "./peers.ts";
import { type MeasurementLine, type RawLine, samplesOf } from "./raw_data.ts";
import { RUNTIME_NAMES, taskrunnerOn } from "./runtimes.ts";

const CONTENDERS = [...RUNTIME_NAMES.map(taskrunnerOn), XARGS, PARALLEL];
const LOOK = { legend: CONTENDERS, colors: ["#1668b8", "#e08a2c", "#3f9142", "#6b7280", "#b8457e"] };
const SIZES: Readonly<Record<number, string>> = {
  0: "0",
  [2 ** 10]: "1 KiB",
  [64 * 2 ** 10]: "64 KiB",
  [2 ** 20]: "1 MiB",
  [16 * 2 ** 20]: "16 MiB",
};

/** Draws tasks per second over slots, for `echo N` and for `sleep 0.01`. */
export function drawSlots(lines: readonly RawLine[]): string {
  const panels = [
    panelOf("echo N", lines, "echo", { name: "slots" }),
    panelOf("sleep 0.01", lines, "sleep", { name: "slots" }),
  ];
  return draw("Tasks per second, by the number of slots", panels);
}

/** Draws tasks per second over the size of the output of each task. */
export function drawOutputSizes(lines: readonly RawLine[]): string {
  const title = "head -c SIZE /dev/zero | tr '\\0' x, 8 slots";
  return draw("Tasks per second, by the size of outputs", [
    panelOf(title, lines, "output", { name: "size of the output of each task", labelOf: (bytes) => SIZES[bytes]! }),
  ]);
}

function draw(title: string, panels: readonly Panel[]): string {
  const line = { symbolSize: 6, connectNulls: true };
  return drawPanels([panels], { title, ...LOOK, line, width: 1000, height: 460 });
}

/** Returns a chart of a group of rows, whose names end in the value of the x axis. */
function panelOf(
  title: string,
  lines: readonly RawLine[],
  group: string,
  { name, labelOf = String }: { name: string; labelOf?: (value: number) => string },
): Panel {
  const samples = samplesOf(lines).filter(({ row }) => row.startsWith(`${group}/`));
  const valueOf = ({ row }: MeasurementLine) => Number(row.slice(group.length + 1));
  const values = [...new Set(samples.map(valueOf))].sort((a, b) => a - b);
  const speedOf = (name: string, value: number) => {
    const speeds = samples.filter((sample) => sample.contender === name && valueOf(sample) === value)
      .map(({ tasks, seconds }) => tasks / seconds);
    return speeds.length > 0 ? Number(median(speeds).toPrecision(3)) : null;
  };
  return {
    title,
    xAxis: { type: "category", data: values.map(labelOf), name, nameLocation: "middle", nameGap: 28 },
    yAxis: { type: "log" },
    lines: CONTENDERS.map((name) => values.map((value) => speedOf(name, value))),
  };
}
