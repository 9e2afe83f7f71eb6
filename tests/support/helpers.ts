/** Helpers shared by the tests. */

import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach } from "node:test";
import { fileURLToPath } from "node:url";
import type { ScratchLocation } from "../../executors/shell/scratch_directory.ts";
import type { Task, TaskResult } from "../../mod.ts";
import { shellQuote } from "../../text/shell_quote.ts";
import { hasProgram } from "./programs.ts";
import { hasCrashed, noteStrayError } from "./stray_errors.ts";
import { TIMEOUT } from "./test.ts";

export { TIMEOUT } from "./test.ts";

/** The runtime that runs the tests. */
export const RUNTIME = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

/** Set where `dev/tools/run_tests.ts` leaves tests to Bun that start the command hundreds of times, for shared texts. */
export const IS_LEFT_TO_BUN: boolean = process.env.TASKRUNNER_LEFT_TO_BUN !== undefined && RUNTIME !== "bun";

/** Multiplier for the number of random or repeated trials, and for their time limits; set by `deno task soak`. */
export const EFFORT = Number(process.env.TASKRUNNER_TEST_EFFORT ?? 1);

/** Scales the size of a test that mainly exercises other programs: a tenth in a usual run, `count` at most. */
export const scaledCount = (count: number) => Math.min(count, Math.ceil(EFFORT * count / 10));

/** Seed for random numbers. Tests that use it print it when they fail. */
export const SEED = Number(process.env.TASKRUNNER_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Returns a generator of reproducible random numbers from 0 to 1 (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** The root directory of the project. */
export const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

// Lets Node compile the modules once instead of in each of the hundreds of processes that the tests start.
process.env.NODE_COMPILE_CACHE = join(PROJECT, "node_modules", ".cache", "node");

/** The cache of Deno, for programs that get another `HOME`: without the cache, Deno would load and compile all again. */
export const DENO_DIR = process.env.DENO_DIR ?? join(homedir(), ".cache", "deno");

/** A directory without default flags. Those of the developer must not change what the tests see. */
export const NO_DEFAULTS = { XDG_CONFIG_HOME: "/dev/null" };
delete process.env.TASKRUNNER_FLAGS;

/** Arguments to run a module with `process.execPath`. */
export const RUN_MODULE: readonly string[] = RUNTIME === "deno" ? ["run", "-A"] : [];

/** Calls a function with a temporary directory. Reports a {@linkcode SkippedTestError} as skipped. */
export async function withTempDirectory<T>(
  use: (directory: string) => Promise<T>,
  parent: string = tmpdir(),
): Promise<T> {
  const directory = await mkdtemp(join(parent, "taskrunner-test-"));
  try {
    return await use(directory);
  } catch (error) {
    if (!(error instanceof SkippedTestError)) throw error;
    skipTest(error.message);
    return undefined as T;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Polls a condition at increasing intervals until it is truthy.
 *
 * @throws an `Error` that mentions `what` after half of {@linkcode TIMEOUT}.
 */
export async function waitFor(what: string, condition: () => unknown): Promise<void> {
  const startedMs = performance.now();
  while (!await condition()) {
    const waitedMs = performance.now() - startedMs;
    if (waitedMs > TIMEOUT.timeout / 2) throw new Error(`Timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(5 + waitedMs / 50, 50)));
  }
}

/** Returns a command that waits for a file. */
export const until = (file: string): string => `until test -e ${shellQuote(file)}; do sleep 0.01; done`;

/** Returns whether a process is running. A zombie is not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^[ZX]$/.test(statOf(pid)[0]!);
  } catch {
    return false;
  }
}

/** Sends a signal to a process. Returns whether the process existed. */
export function signalIfThere(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as { code?: string }).code !== "ESRCH") throw error;
    return false;
  }
}

/** Returns the id of a process's parent. */
export function parentOf(pid: number): number {
  return Number(statOf(pid)[1]);
}

/** Returns the fields of a process's `stat` file, starting with its state. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Reports a test as skipped. `dev/tools/run_tests.ts` and `deno task matrix` count these reports. */
export function skipTest(why: string): void {
  console.log(`Skipped: ${why}`);
  const { TASKRUNNER_SKIPPED_TESTS: file } = process.env;
  if (file) appendFileSync(file, `${why}\n`);
}

/** Returns whether a program is missing, and if so reports the test as skipped; the test then returns. */
export function lacks(...programs: string[]): boolean {
  const missing = programs.filter((program) => !hasProgram(program));
  if (missing.length > 0) skipTest(`no ${missing.join(", no ")}`);
  return missing.length > 0;
}

/** Thrown inside {@linkcode withTempDirectory} to skip a test. */
export class SkippedTestError extends Error {
  override name = "SkippedTestError";
}

/** Collects the values of an async iterable. */
export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

/** Returns a stream of a text in chunks of `chunkBytes`. */
export function byteStream(text: string | Uint8Array, chunkBytes = Infinity): ReadableStream<Uint8Array> {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      if (offset >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(offset, offset + chunkBytes));
      offset += chunkBytes;
    },
  });
}

const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL"); // a failed test does not wait for its programs
});

/** The result of a program. */
export interface Ended {
  status: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** Options of {@linkcode start}. */
export interface StartOptions {
  stdin?: string | undefined;
  cwd?: string | undefined;
  env?: Record<string, string> | undefined;
  /** If true, the program may crash; otherwise an uncaught error in the program fails the test. */
  mayCrash?: boolean | undefined;
}

/** A started program. */
export interface Started {
  child: ChildProcess;
  /** The output so far. */
  output: { stdout: string; stderr: string };
  ended: Promise<Ended>;
}

/** Starts a program. Standard input contains `stdin`; without `stdin` it stays open. */
export function start(program: string, args: readonly string[], options: StartOptions = {}): Started {
  const { stdin, cwd, env, mayCrash = false } = options;
  const child = spawn(program, args, {
    cwd: cwd ?? PROJECT,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const output = { stdout: "", stderr: "" };
  child.stdin!.on("error", () => {}); // the program may exit without reading
  child.stdout!.setEncoding("utf8").on("data", (text: string) => output.stdout += text);
  child.stderr!.setEncoding("utf8").on("data", (text: string) => output.stderr += text);
  if (stdin !== undefined) child.stdin!.end(stdin);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => {
      if (!mayCrash && hasCrashed(output.stderr)) {
        const command = [program, ...args].join(" ");
        noteStrayError(new Error(`A program crashed: ${command}\n${output.stderr}`));
      }
      resolve({ status, signal, ...output });
    });
  });
  return { child, output, ended };
}

/** Starts the command on the runtime under test. */
export function startTaskrunner(args: readonly string[], options: StartOptions = {}): Started {
  const env = { ...NO_DEFAULTS, ...options.env };
  return start(process.execPath, [...RUN_MODULE, join(PROJECT, "cli.ts"), ...args], { ...options, env });
}

/** Commands without a summary, and so without `--quiet`. */
const COMMANDS_WITHOUT_SUMMARY = [
  "worker",
  "runs",
  "failed",
  "stats",
  "trace",
  "graph",
  "report",
  "watch",
  "config",
  "completions",
  "man",
  "help",
];

/** Runs the command on the runtime under test, with `--quiet` where it exists. */
export async function taskrunner(
  args: readonly string[],
  options: StartOptions = {},
): Promise<Ended & { results: TaskResult[] }> {
  const quiet = COMMANDS_WITHOUT_SUMMARY.includes(args[0]!) ? [] : ["--quiet"];
  const ended = await startTaskrunner([...quiet, ...args], { stdin: "", ...options }).ended;
  return { ...ended, results: parseResults(ended.stdout) };
}

/** Puts the command under test into `bin` of a directory, and returns a PATH that begins with it. */
export async function pathWithTaskrunner(directory: string): Promise<string> {
  const bin = join(directory, "bin");
  await mkdir(bin);
  const command = [process.execPath, ...RUN_MODULE, join(PROJECT, "cli.ts")].map((word) => `'${word}'`).join(" ");
  await writeProgram(join(bin, "taskrunner"), `#!/bin/sh\nexec ${command} "$@"\n`);
  return `${bin}:${process.env.PATH}`;
}

/** Starts a shell script in which `$RUNTIME cli.ts` starts the command on the runtime under test. */
export function startShell(script: string, options: StartOptions = {}): Started {
  const runtime = [process.execPath, ...RUN_MODULE].join(" ");
  return start("sh", ["-c", script], {
    stdin: "",
    ...options,
    env: { RUNTIME: runtime, ...NO_DEFAULTS, ...options.env },
  });
}

/** Runs a shell script as {@linkcode startShell} does, to its end. */
export function shell(script: string, options: StartOptions = {}): Promise<Ended> {
  return startShell(script, options).ended;
}

/** Parses results from JSON Lines, ignoring other lines. */
export function parseResults(lines: string): TaskResult[] {
  return lines.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

/** Formats values as JSON Lines. */
export function jsonLines(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value) + "\n").join("");
}

/** Writes a task file into a directory and returns its path. */
export async function taskFile(directory: string, tasks: readonly unknown[], name = "tasks.jsonl"): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, jsonLines(tasks));
  return path;
}

/** Returns tasks of which one in ten fails, some time out and a few are killed; most succeed. */
export function mixedTasks(count: number): Task[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `task ${index + 1}`;
    if (index % 10 === 3) return { id, cmd: `echo "task ${index + 1} is not right" >&2; exit 3` };
    if (index % 14 === 6) return { id, cmd: "sleep 60", timeoutMs: 150 };
    if (index % 37 === 8) return { id, cmd: "kill -9 $$" };
    return { id, cmd: `sleep 0.0${index % 7}; echo ${index + 1}` };
  });
}

/** Returns a result with default values for the other fields. */
export function resultWith(fields: Partial<TaskResult>): TaskResult {
  const defaults = {
    id: "1",
    status: 0,
    outcome: "ok",
    signal: undefined,
    error: undefined,
    attempts: 1,
    slot: 1,
  } as const;
  const times = { startedAt: "2026-01-02T03:04:05.678Z", durationMs: 1.5, userMs: undefined, systemMs: undefined };
  const { worker, ...rest } = fields;
  return { ...defaults, ...worker && { worker }, ...times, stdout: "hi\n", stderr: "", ...rest };
}

/** Returns a result of a run that began at 08:00 UTC on November 30, 2026, with default values for the other fields. */
export function resultAt(
  id: string,
  startMs: number,
  durationMs: number,
  fields: Partial<TaskResult> = {},
): TaskResult {
  const startedAt = new Date(Date.parse("2026-11-30T08:00:00Z") + startMs).toISOString();
  return resultWith({ id, startedAt, durationMs, ...fields });
}

/**
 * Writes an executable script, in another process: if this process had the file open while another test starts a
 * process, that child would briefly inherit the descriptor, and running the script would fail with "text file busy".
 */
export async function writeProgram(path: string, text: string): Promise<void> {
  const { status, stderr } = await start("sh", ["-c", 'cat > "$0" && chmod 755 "$0"', path], { stdin: text }).ended;
  if (status !== 0) throw new Error(stderr);
}

/** Returns a location for temporary files without a space limit. */
export function unlimitedLocation(path: string): ScratchLocation {
  return { path, minFreeBytes: 0, bytesPerWorker: 0, freeBytes: () => Infinity, unknownFreeBytes: 0 };
}
