/**
 * Long-running tests: a million tasks in one run, a simulated day in half an hour, and all randomized tests with more
 * trials. Fails if a task has an unexpected result, if anything is left behind, or if memory, descriptors, threads,
 * processes or temporary files grow.
 *
 *     deno task soak [--tasks 1000000] [--minutes 30] [--effort 10] [--samples FILE] [--plot docs/soak.svg]
 *         [deno] [bun] [node]
 *
 * Skips a part whose number is 0. The default runtime is Deno.
 */

import { parseArgs } from "@std/cli/parse-args";
import { readFileSync } from "node:fs";
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { pathOf, RUNTIMES } from "../bench/runtimes.ts";
import { jsonLines, PROJECT } from "../../tests/support/helpers.ts";
import { runDay } from "./day.ts";
import { driftOf } from "./flatness.ts";
import { runManyTasks } from "./many_tasks.ts";
import { type Sample, TOLERANCES, type Watched } from "./sampler.ts";
import { drawSoak, type SampleLine } from "./soak_plot.ts";
import { runTestFile, testFiles } from "./test_file.ts";

const flags = parseArgs(process.argv.slice(2), {
  string: ["tasks", "minutes", "effort", "samples", "plot", "_"],
  default: { tasks: "1000000", minutes: "30", effort: "10" },
});
const names = flags["_"] as string[];
const { samples: samplesPath, plot: plotPath } = flags as { samples?: string; plot?: string };
const [tasks, minutes, effort] = [flags.tasks, flags.minutes, flags.effort].map(Number) as [number, number, number];
const lines: SampleLine[] = [];
let isBad = false;

for (const name of names.length > 0 ? names : ["deno"]) {
  const runtime = [pathOf(name), ...RUNTIMES[name]!.slice(1)];
  if (tasks > 0) await watch(await runManyTasks(name, runtime, tasks));
  if (minutes > 0) { for (const run of await runDay(name, runtime, minutes * 60_000)) await watch(run); }
  if (effort > 1) await testAtRandom(name);
}
if (plotPath !== undefined) await writeFile(plotPath, `${drawSoak(lines)}\n`);
process.exit(isBad ? 1 : 0);

/** Saves the samples of a run and prints whether its resource usage was flat. */
async function watch(run: Watched): Promise<void> {
  const { samples, ...rest } = run;
  const added = samples.map((sample): SampleLine => ({ ...rest, ...sample }));
  lines.push(...added);
  if (samplesPath !== undefined) await appendFile(samplesPath, jsonLines(added));
  for (const [name, tolerance] of Object.entries(TOLERANCES)) {
    const { before, after, isFlat } = driftOf(samples.map((sample) => sample[name as keyof Sample]), tolerance);
    if (!isFlat) isBad = true;
    const [from, to] = [before, after].map((value) => value.toFixed(name.endsWith("MiB") ? 1 : 0));
    console.log(`  ${isFlat ? "flat" : "GROWS"}: ${name} ${from} → ${to}`);
  }
}

/** Runs the randomized tests with an increased number of trials. */
async function testAtRandom(runtime: string): Promise<void> {
  const files = testFiles().filter((file) =>
    /\b(?:EFFORT|scaledCount)\b/.test(readFileSync(join(PROJECT, file), "utf8"))
  );
  for (const file of files) {
    const { passed, failed, seconds, output } = await runTestFile(runtime, file, {
      TASKRUNNER_TEST_EFFORT: `${effort}`,
    });
    console.log(
      `${runtime}, ${file}, ${effort} times as much: ${passed} passed, ${failed} failed, ${seconds.toFixed()} s`,
    );
    if (failed === 0) continue;
    isBad = true;
    console.log(output);
  }
}
