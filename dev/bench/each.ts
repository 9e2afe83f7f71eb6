/**
 * Compares `taskrunner each` with GNU parallel and xargs: `echo` for each line of a file, with the output as text. Each
 * round runs every contender once. Prints a table and writes it to `dev/bench/results/`: the speed, the ratio of text to
 * JSON on the same runtime, and the cost of a fork on this machine, without which no speed can be judged.
 *
 *     deno task bench:each [--rounds 5] [--values 20000]
 *
 * Needs `apt-get install gcc libc6-dev parallel`.
 */

import { parseArgs } from "@std/cli/parse-args";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import {
  compileSpawner,
  type Contender,
  hasCommand,
  type Measurement,
  measureRounds,
  writeReport,
} from "./contenders.ts";
import { median } from "./median.ts";
import { CLI, RUNTIMES } from "./runtimes.ts";

const SLOTS = 8;
const PARALLEL = "GNU parallel";
/** The least ratios that are acceptable. */
const TARGETS = { textToJson: 0.95, textToParallel: 15 } as const;

const { rounds = "5", values = "20000" } = parseArgs(process.argv.slice(2), { string: ["rounds", "values"] });
const directory = await mkdtemp(join(tmpdir(), "taskrunner-bench-"));
try {
  const contenders = allContenders(compileSpawner(directory));
  const lines = Array.from({ length: Number(values) }, (_, index) => `${index + 1}`);
  const work = { name: "each", inputs: { VALUES: lines }, contenders };
  const seen = await measureRounds(work, { rounds: Number(rounds), directory, alternates: true });
  const report = [
    `## each 'echo {}': ${values} values, ${rounds} rounds`,
    "",
    ...tableOf(new Map(contenders.map(({ name }, index) => [name, seen[index]!]))),
    "",
  ];
  console.log(report.join("\n"));
  await writeReport("-each", report);
} finally {
  await rm(directory, { recursive: true });
}

function textOn(runtime: string): string {
  return `each on ${runtime}, text`;
}

function jsonOn(runtime: string): string {
  return `each on ${runtime}, JSON`;
}

/** Returns the contenders. Those whose ratio is printed run one after the other. */
function allContenders(spawner: string | undefined): Contender[] {
  if (!spawner || !hasCommand("parallel")) throw new Error("Missing programs: apt-get install gcc libc6-dev parallel");
  const each = (run: readonly string[], format: string) =>
    `exec ${run.join(" ")} ${CLI} each -q -j ${SLOTS} --format ${format} 'echo {}' <$VALUES >$OUT`;
  return [
    { name: "fork alone, in C", command: `${spawner} fork ${SLOTS} <$VALUES >/dev/null`, part: 0.5 },
    {
      name: "xargs -P8 -n1 sh -c",
      command: `xargs -P${SLOTS} -n1 sh -c 'echo "$1"' sh <$VALUES >$OUT`,
      part: 0.5,
      writesLines: true,
    },
    ...Object.entries(RUNTIMES).flatMap(([runtime, run]): Contender[] => [
      { name: textOn(runtime), command: each(run, "text"), writesLines: true },
      { name: jsonOn(runtime), command: each(run, "json"), writesLines: true },
    ]),
    {
      name: PARALLEL,
      command: `parallel --will-cite -j${SLOTS} 'echo {}' <$VALUES >$OUT`,
      part: 0.05,
      writesLines: true,
    },
  ];
}

function tableOf(seen: ReadonlyMap<string, readonly Measurement[]>): string[] {
  const rows = [...seen].map(([name, measurements]) => {
    const speed = median(measurements.map(({ perSecond }) => perSecond));
    const cpu = median(measurements.map(({ ownCpuUs }) => ownCpuUs));
    const toParallel = ratiosOf(measurements, seen.get(PARALLEL)!);
    return `| ${[name, speed.toFixed(0), (1e6 / speed).toFixed(0), toParallel, cpu.toFixed(0)].join(" | ")} |`;
  });
  const runtimes = Object.keys(RUNTIMES);
  const toJson = runtimes.map((runtime) => ratiosOf(seen.get(textOn(runtime))!, seen.get(jsonOn(runtime))!));
  const toParallel = runtimes.map((runtime) => ratiosOf(seen.get(textOn(runtime))!, seen.get(PARALLEL)!));
  return [
    `| | tasks/s, median | µs per task | relative to ${PARALLEL} (min–max) | CPU of the program itself, µs per task |`,
    "|---|---|---|---|---|",
    ...rows,
    "",
    `| | target | ${runtimes.join(" | ")} |`,
    `|---|---|${"---|".repeat(runtimes.length)}`,
    `| text relative to JSON (min–max) | ${TARGETS.textToJson} | ${toJson.join(" | ")} |`,
    `| text relative to ${PARALLEL} (min–max) | ${TARGETS.textToParallel} | ${toParallel.join(" | ")} |`,
  ];
}

/** Returns the median of the ratios within the same round, and their range. */
function ratiosOf(one: readonly Measurement[], other: readonly Measurement[]): string {
  const ratios = one.map(({ perSecond }, round) => perSecond / other[round]!.perSecond);
  return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`;
}
