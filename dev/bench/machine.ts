/** The state of the machine and the versions of programs, which figures depend on. @module */

import { execFileSync } from "node:child_process";
import { cpus, release } from "node:os";
import process from "node:process";
import { BENCH } from "./programs.ts";

const FORKS = 500;
const SHELLS = 200;

/** The cost of starting processes at a time. On a shared machine, it varies within minutes. */
export interface MachineState {
  /** Time of a fork of a small static program, in µs. */
  forkUs: number;
  /** Time of `sh -c :` from a C program, in µs. */
  shellUs: number;
}

/** The programs of {@linkcode measureState}. */
export interface StatePrograms {
  staticFork: string;
  spawn: string;
}

/** Measures the cost of starting processes. */
export function measureState({ staticFork, spawn }: StatePrograms): MachineState {
  const forkUs = Number(execFileSync(staticFork, [`${FORKS}`], { encoding: "utf8" }));
  const startedMs = performance.now();
  execFileSync(spawn, ["sh", "1"], { input: ":\0".repeat(SHELLS), stdio: ["pipe", "ignore", "inherit"] });
  const shellUs = (performance.now() - startedMs) * 1000 / SHELLS;
  return { forkUs: Math.round(forkUs), shellUs: Math.round(shellUs) };
}

/** The machine, and the version of each program. */
export interface Versions {
  machine: string;
  /** The first line of the program's `--version`; absent if the program is missing. */
  versions: Readonly<Record<string, string>>;
}

/** Returns the machine and the versions of programs. */
export function readVersions(): Versions {
  const versions = ["deno", "bun", "node", "xargs", "parallel", "make", "nats-server"].flatMap((program) => {
    try {
      const text = execFileSync(program, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      return [[program, /\d+(?:\.\d+)*/.exec(text)?.[0] ?? text.split("\n")[0]!]];
    } catch {
      return [];
    }
  });
  const commit = execFileSync("git", ["-C", BENCH, "describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  const machine = `${cpus().length} CPUs (${cpus()[0]?.model.trim()}), ${process.platform} ${release()}`;
  return { machine, versions: { taskrunner: commit, ...Object.fromEntries(versions) } };
}

/** Returns the state of the machine as a phrase, from a new measurement. */
export function describeState(programs: StatePrograms): string {
  const { forkUs, shellUs } = measureState(programs);
  return `a static fork costs ${forkUs} µs, and \`sh -c :\` ${shellUs} µs`;
}
