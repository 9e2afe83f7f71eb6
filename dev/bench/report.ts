/** Creates the report of `deno task bench` from its raw data. @module */

import { counted } from "./format.ts";
import { type RawLine, samplesOf } from "./raw_data.ts";
import type { Row } from "./row.ts";
import { rowTable } from "./row_table.ts";
import { shortfalls, targetTable } from "./target_table.ts";

/** Returns a table for each row, a table of targets, the figures that fall short, and the contenders not measured. */
export function reportOf(lines: readonly RawLine[], rows: readonly Row[]): string {
  const byRow = Map.groupBy(samplesOf(lines), ({ row }) => row);
  const measured = rows.flatMap((row) => {
    const samples = byRow.get(row.name);
    return samples ? [{ row, samples }] : [];
  });
  return [
    ...runsOf(lines),
    ...measured.flatMap(({ row, samples }) => rowTable(row, samples)),
    ...targetTable(measured),
    ...shortfalls(measured),
    ...failures(lines),
  ].join("\n");
}

function runsOf(lines: readonly RawLine[]): string[] {
  return lines.flatMap((line) => {
    if (line.kind !== "run") return [];
    const { at, machine, versions, rounds, scale } = line;
    const programs = Object.entries(versions).map((program) => program.join(" ")).join(", ");
    return [`${at}, ${machine}: ${programs}; ${counted(rounds, "round")}, scale ${scale}`, ""];
  });
}

function failures(lines: readonly RawLine[]): string[] {
  const reasons = lines.flatMap((line) =>
    line.kind === "failure" ? [`- ${line.row}, ${line.contender}: ${line.reason.replaceAll(/\s+/g, " ")}`] : []
  );
  return reasons.length > 0 ? ["## Not measured", "", ...new Set(reasons), ""] : [];
}
