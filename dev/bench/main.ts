/**
 * Measures taskrunner on each runtime beside other programs, and reports which figures fall short of their targets. Each
 * round runs every contender of a row in turn; ratios are within a round. Prints tables, and keeps the raw data.
 *
 *     deno task bench [--rounds 5] [--scale 1] [--rows NAME,...] [--to FILE] [--plots DIRECTORY]
 *     deno task bench --from FILE [--rows NAME,...] [--plots DIRECTORY]
 *
 * `--rows` takes names and groups of `rows.ts`, such as `echo/8,shell`. `--scale 0.1` runs a tenth of the tasks. The raw
 * data is appended to a file, by default a new one in `dev/bench/results/`. `--from` makes the report of a file again,
 * and `--plots` draws `slots.svg` and `output_sizes.svg`. Needs Node, which builds the package, and
 * `apt-get install gcc libc6-dev`; other missing programs (`parallel`, `make`, `nats-server`, Bun) are skipped and named.
 * Progress is on standard error.
 */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { readVersions } from "./machine.ts";
import { drawOutputSizes, drawSlots } from "./plots.ts";
import { BENCH, buildPackage, compilePrograms } from "./programs.ts";
import { appendLine, type RawLine, readRawData } from "./raw_data.ts";
import { reportOf } from "./report.ts";
import type { Row } from "./row.ts";
import { chooseRows, ROWS } from "./rows.ts";
import { measureRow } from "./run_rows.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    scale: { type: "string", default: "1" },
    rows: { type: "string" },
    to: { type: "string" },
    from: { type: "string" },
    plots: { type: "string" },
  },
});
const { from, plots } = flags;
const names = flags.rows?.split(",") ?? [];
const rows = chooseRows(names);
const path = from ?? flags.to ??
  join(BENCH, "results", `${new Date().toISOString().slice(0, 16).replace(":", "")}-rows.jsonl`);
if (from === undefined) await measureAll(rows, path);
const lines = await readRawData(path);
console.log(reportOf(lines, names.length > 0 ? rows : ROWS));
if (plots !== undefined) {
  await writeFile(join(plots, "slots.svg"), `${drawSlots(lines)}\n`);
  await writeFile(join(plots, "output_sizes.svg"), `${drawOutputSizes(lines)}\n`);
}

/** Measures rows, and appends the raw data to a file. */
async function measureAll(rows: readonly Row[], path: string): Promise<void> {
  const [rounds, scale] = [Number(flags.rounds), Number(flags.scale)];
  if (!(rounds >= 1 && scale > 0)) throw new Error("--rounds and --scale must be positive numbers");
  await mkdir(dirname(path), { recursive: true });
  const directory = await mkdtemp(join(tmpdir(), "taskrunner-bench-"));
  try {
    const programs = compilePrograms(directory);
    const packageDirectory = buildPackage(directory);
    await appendLine(path, { kind: "run", at: new Date().toISOString(), ...readVersions(), rounds, scale });
    const onLine = async (line: RawLine) => {
      await appendLine(path, line);
      console.error(progressOf(line));
    };
    for (const row of rows) await measureRow(row, { rounds, scale, directory, packageDirectory, programs, onLine });
  } finally {
    await rm(directory, { recursive: true });
  }
  console.error(`Raw data: ${path}`);
}

function progressOf(line: RawLine): string {
  if (line.kind === "run") return line.at;
  const name = `${line.row}, ${line.contender}`;
  if (line.kind === "failure") return `${name}: ${line.reason}`;
  return `${name}, round ${line.round}: ${line.tasks} tasks in ${line.seconds.toFixed(2)} s`;
}
