/** Runs and measures a contender. @module */

import { spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { BENCH, type Programs } from "./programs.ts";
import { countLines, countResults } from "./check_output.ts";
import type { Contender, Measured, Row, SelfMeasured } from "./row.ts";
import { writeInputs } from "./row_inputs.ts";

/** The maximum number of characters of an error message. */
const MAX_MESSAGE = 500;

/** Options of {@linkcode measure}. */
export interface MeasureOptions {
  directory: string;
  /** The directory of the npm package. */
  packageDirectory: string;
  programs: Programs;
  scale: number;
  /** Variables of the row's services. */
  env: Readonly<Record<string, string>>;
}

/** Runs a contender once. Throws if the contender fails, or if an output is wrong or missing. */
export async function measure(row: Row, contender: Contender, options: MeasureOptions): Promise<Measured> {
  const { directory, programs, scale } = options;
  const tasks = Math.max(1, Math.ceil(Math.max(1, row.tasks * scale) * (contender.part ?? 1)));
  const [output, report] = [join(directory, "out"), join(directory, "report")];
  const inputs = await writeInputs(row, contender.command, tasks, directory);
  await rm(output, { force: true });
  const printed = await runToEnd(programs.measure, [report, "sh", "-c", contender.command], {
    cwd: inputs.cwd,
    env: {
      ...process.env,
      ...options.env,
      ...inputs.env,
      OUT: output,
      SPAWN: programs.spawn,
      BENCH,
      PACKAGE: options.packageDirectory,
      COUNT: `${tasks}`,
    },
  });
  const { seconds, cpuSeconds, peakKiB } = JSON.parse(await readFile(report, "utf8"));
  if (contender.writes) {
    const count = contender.writes === "results"
      ? await countResults(output, row.echoesNumber)
      : await countLines(output);
    if (count !== tasks) throw new Error(`${count} outputs for ${tasks} tasks`);
  }
  const own: SelfMeasured | undefined = contender.measuresItself ? JSON.parse(printed) : undefined;
  return {
    tasks,
    seconds: own?.seconds ?? seconds,
    cpuSeconds: own?.cpuMs === undefined ? cpuSeconds : own.cpuMs / 1000,
    peakMiB: Math.round(peakKiB / 102.4) / 10,
  };
}

/** Runs a program, and returns what it prints. */
async function runToEnd(
  program: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<string> {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => stdout += chunk);
  child.stderr.on("data", (chunk) => stderr = (stderr + chunk).slice(-MAX_MESSAGE));
  const status = await new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal)));
  if (status !== 0) throw new Error(`Exit status ${status}: ${stderr.trim()}`);
  return stdout;
}
