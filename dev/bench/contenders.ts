/** Runs the same work with different programs, in rounds. @module */

import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Measured } from "./ballast.ts";

/** The directory of the benchmarks. */
export const BENCH: string = fileURLToPath(new URL(".", import.meta.url));

/** The number of forks from which {@linkcode forkUs} computes the time of one. */
const FORKS = 2_000;

/** Work for several programs. */
export interface Work {
  name: string;
  /** The lines of each input file, by the variable that contains the path of the file. All have the same number of lines. */
  inputs: Readonly<Record<string, readonly string[]>>;
  contenders: readonly Contender[];
}

/** A program that does the work. */
export interface Contender {
  name: string;
  /** Shell command that does the work. A variable is the path of each input file, and `$OUT` the path of a new file. */
  command: string;
  /** Share of the work to run, for slow contenders; default: 1. */
  part?: number;
  /** If true, the benchmark checks that `$OUT` has as many lines as the input. */
  writesLines?: boolean;
  /** If true, the program prints its own measurement, which excludes the allocation of memory. */
  measuresItself?: boolean;
}

/** The speed of a contender in a round. */
export interface Measurement {
  perSecond: number;
  /** CPU time of the program per task, without its children. */
  ownCpuUs: number;
}

/** Options of {@linkcode measureRounds}. */
export interface RoundsOptions {
  rounds: number;
  /** A directory for files. */
  directory: string;
  /** If true, every other round runs the contenders in reverse, so that a trend of the machine favors none. */
  alternates?: boolean;
}

/** Runs every contender once in each round. Returns the measurements of each contender. */
export async function measureRounds(
  { inputs, contenders }: Work,
  { rounds, directory, alternates = false }: RoundsOptions,
): Promise<Measurement[][]> {
  const seen = contenders.map((): Measurement[] => []);
  for (let round = 0; round < rounds; round++) {
    const order = [...contenders.entries()];
    if (alternates && round % 2 === 1) order.reverse();
    for (const [index, contender] of order) seen[index]!.push(await runOnce(contender, inputs, directory));
  }
  return seen;
}

async function runOnce(contender: Contender, inputs: Work["inputs"], directory: string): Promise<Measurement> {
  const [all] = Object.values(inputs);
  const count = Math.ceil(all!.length * (contender.part ?? 1));
  const output = join(directory, "out");
  const env: NodeJS.ProcessEnv = { ...process.env, OUT: output };
  for (const [variable, lines] of Object.entries(inputs)) {
    env[variable] = join(directory, variable.toLowerCase());
    await writeFile(env[variable], lines.slice(0, count).map((line) => line + "\n").join(""));
  }
  await rm(output, { force: true });
  const startedMs = performance.now();
  const child = spawn("sh", ["-c", contender.command], { stdio: ["ignore", "pipe", "inherit"], env });
  let printed = "";
  child.stdout.on("data", (chunk) => printed += chunk);
  let ownCpuMs = 0;
  const sampling = setInterval(() => ownCpuMs = cpuMsOf(child.pid!) ?? ownCpuMs, 20);
  const status = await new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal)));
  const seconds = (performance.now() - startedMs) / 1000;
  clearInterval(sampling);
  if (status !== 0) throw new Error(`${contender.name} exited with ${status}`);
  if (contender.writesLines) {
    const lines = readFileSync(output, "utf8").trimEnd().split("\n").length;
    if (lines !== count) throw new Error(`${contender.name}: ${lines} lines for ${count} tasks`);
  }
  const measured: Measured = contender.measuresItself ? JSON.parse(printed) : { seconds, cpuMs: ownCpuMs };
  return { perSecond: count / measured.seconds, ownCpuUs: measured.cpuMs * 1000 / count };
}

/** Returns the CPU time of a process so far, without its children, or `undefined` if it has ended. */
function cpuMsOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10; // ticks of 10 ms
  } catch {
    return undefined;
  }
}

/** Compiles the C program that starts processes; returns its path, or `undefined` without a compiler. */
export function compileSpawner(directory: string): string | undefined {
  const program = join(directory, "spawn");
  try {
    execFileSync("cc", ["-O2", "-o", program, join(BENCH, "peers", "spawn.c")]);
    return program;
  } catch {
    return undefined;
  }
}

/** Measures the time of a fork of a C program, in microseconds; `an unknown number of` without a compiler. */
export function forkUs(directory: string): string {
  const spawner = compileSpawner(directory);
  if (!spawner) return "an unknown number of";
  const startedMs = performance.now();
  execFileSync(spawner, ["fork", "1"], { input: "x\n".repeat(FORKS), stdio: ["pipe", "ignore", "inherit"] });
  return ((performance.now() - startedMs) * 1000 / FORKS).toFixed(0);
}

/** Returns whether a program is in `PATH`. */
export function hasCommand(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
}

/** Writes lines to a file in `dev/bench/results` whose name begins with the time, below the time and the machine. */
export async function writeReport(name: string, lines: readonly string[]): Promise<void> {
  const versions = ["deno --version", "bun --version", "node --version"].map((command) =>
    execFileSync("sh", ["-c", `${command} | head -n 1`], { encoding: "utf8" }).trim()
  );
  const machine = `${cpus().length} CPUs (${cpus()[0]?.model.trim()}), ${process.platform}; ${versions.join(", ")}`;
  const time = new Date().toISOString().slice(0, 16);
  await mkdir(join(BENCH, "results"), { recursive: true });
  const path = join(BENCH, "results", `${time.replace(":", "")}${name}.md`);
  await writeFile(path, [`# ${time}Z`, "", machine, "", ...lines].join("\n"));
}
