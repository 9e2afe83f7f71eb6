/** The raw data of `deno task bench`: a file with a line of JSON for each measurement. @module */

import { appendFile, readFile } from "node:fs/promises";
import type { MachineState, Versions } from "./machine.ts";
import type { Measured } from "./row.ts";

/** A line of the file. */
export type RawLine = RunLine | MeasurementLine | FailureLine;

/** The first line of each run. */
export interface RunLine extends Versions {
  kind: "run";
  /** Time of the start, in ISO 8601. */
  at: string;
  rounds: number;
  scale: number;
}

/** A measurement of a contender, with the state of the machine before the round. */
export interface MeasurementLine extends Measured, MachineState {
  kind: "measurement";
  row: string;
  contender: string;
  round: number;
}

/** A contender that was not measured: in a round, or at all, if it needs a missing program. */
export interface FailureLine {
  kind: "failure";
  row: string;
  contender: string;
  round?: number;
  reason: string;
}

/** Appends a line to the file. */
export async function appendLine(path: string, line: RawLine): Promise<void> {
  await appendFile(path, `${JSON.stringify(line)}\n`);
}

/** Reads the lines of a file; of several runs of a row, only the last one. */
export async function readRawData(path: string): Promise<RawLine[]> {
  const text = await readFile(path, "utf8");
  return lastRuns(text.split("\n").filter((line) => line !== "").map((line): RawLine => JSON.parse(line)));
}

/** Returns the lines of the last run of each row, and the first lines of all runs. */
export function lastRuns(lines: readonly RawLine[]): RawLine[] {
  let run = 0;
  const numbered = lines.map((line) => ({ line, run: line.kind === "run" ? ++run : run }));
  const lastOf = new Map(numbered.flatMap(({ line, run }) => line.kind === "run" ? [] : [[line.row, run]]));
  return numbered.filter(({ line, run }) => line.kind === "run" || lastOf.get(line.row) === run).map(({ line }) =>
    line
  );
}

/** Returns the measurements of a file. */
export function samplesOf(lines: readonly RawLine[]): MeasurementLine[] {
  return lines.filter((line) => line.kind === "measurement");
}
