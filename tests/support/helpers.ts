/** What the tests share. */

import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach } from "node:test";
import { fileURLToPath } from "node:url";
import type { Place } from "../../executors/shell/scratch_directory.ts";
import type { Task, TaskResult } from "../../mod.ts";
import { hasProgram } from "./programs.ts";
import { hasCrashed, noteStrayError } from "./stray_errors.ts";
import { TIMEOUT } from "./test.ts";

export { TIMEOUT } from "./test.ts";

/** The runtime that runs the tests. */
export const RUNTIME = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

/**
 * How many times as much is tried as in a usual run of the tests. `deno task soak` sets it, for tests that try something
 * at random or again and again; they have so many times the time.
 */
export const EFFORT = Number(process.env.TASKRUNNER_TEST_EFFORT ?? 1);

/**
 * The size of a test whose work is done by other programs, the same on all runtimes. A usual run of the tests has a tenth
 * of it.
 */
export const manyOf = (count: number) => Math.min(count, Math.ceil(EFFORT * count / 10));

/** What random numbers begin with. Tests that use it name it where they fail. */
export const SEED = Number(process.env.TASKRUNNER_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** The directory of the project. */
export const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

/** Node compiles the modules of the tool once, not for each of the hundreds of processes that the tests start. */
process.env.NODE_COMPILE_CACHE = join(PROJECT, "node_modules", ".cache", "node");

/** The arguments that make this runtime run a module: `process.execPath` and then these. */
export const RUN_MODULE: readonly string[] = RUNTIME === "deno" ? ["run", "-A"] : [];

/** Calls a function with a new directory, which it removes after it. Passes over a {@linkcode NotTriedError}. */
export async function withTempDirectory<T>(
  use: (directory: string) => Promise<T>,
  parent: string = tmpdir(),
): Promise<T> {
  const directory = await mkdtemp(join(parent, "taskrunner-test-"));
  try {
    return await use(directory);
  } catch (error) {
    if (!(error instanceof NotTriedError)) throw error;
    notTried(error.message);
    return undefined as T;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Polls, less and less often, until the condition holds, and says what was waited for when it never does. */
export async function waitFor(what: string, condition: () => unknown): Promise<void> {
  const startedMs = performance.now();
  while (!await condition()) {
    const waitedMs = performance.now() - startedMs;
    if (waitedMs > TIMEOUT.timeout / 2) throw new Error(`Waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(5 + waitedMs / 50, 50)));
  }
}

/** Whether a process is there and has not ended; one that nobody has reaped yet has ended. */
export function isAlive(pid: number): boolean {
  try {
    return !/^[ZX]$/.test(statOf(pid)[0]!);
  } catch {
    return false;
  }
}

/** Sends a signal to a process, unless it has gone meanwhile. Says whether it was there. */
export function signalIfThere(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as { code?: string }).code !== "ESRCH") throw error;
    return false;
  }
}

/** The id of the process that has started it. */
export function parentOf(pid: number): number {
  return Number(statOf(pid)[1]);
}

/** What the system says of a process, from its state on. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Reports that a test was passed over. `deno task test` and `deno task matrix` count these. */
export function notTried(why: string): void {
  console.log(`Not tried: ${why}`);
  const { TASKRUNNER_NOT_TRIED: file } = process.env;
  if (file) appendFileSync(file, `${why}\n`);
}

/** Returns whether a program that a test needs is missing, and reports it. The test returns then. */
export function lacks(...programs: string[]): boolean {
  const missing = programs.filter((program) => !hasProgram(program));
  if (missing.length > 0) notTried(`no ${missing.join(", no ")}`);
  return missing.length > 0;
}

/** Thrown inside {@linkcode withTempDirectory} to pass over a test because something is missing. */
export class NotTriedError extends Error {
  override name = "NotTriedError";
}

/** All the values of an iterable. */
export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

/** A stream of the text, in pieces of the given number of bytes. */
export function byteStream(text: string | Uint8Array, pieceBytes = Infinity): ReadableStream<Uint8Array> {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      if (offset >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(offset, offset + pieceBytes));
      offset += pieceBytes;
    },
  });
}

const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL"); // a test that failed has not waited for what it started
});

/** How a program ended. */
export interface Ended {
  status: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** How to start a program. */
export interface StartOptions {
  stdin?: string | undefined;
  cwd?: string | undefined;
  env?: Record<string, string> | undefined;
  /** Allows an uncaught error of the program, which otherwise fails the test. */
  mayCrash?: boolean | undefined;
}

/** A program that was started. */
export interface Started {
  child: ChildProcess;
  /** What it has printed so far. */
  output: { stdout: string; stderr: string };
  ended: Promise<Ended>;
}

/** Starts a program. Its standard input is `stdin` and then ends; without `stdin` it stays open. */
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
  child.stdin!.on("error", () => {}); // it need not read what it is given
  child.stdout!.setEncoding("utf8").on("data", (text: string) => output.stdout += text);
  child.stderr!.setEncoding("utf8").on("data", (text: string) => output.stderr += text);
  if (stdin !== undefined) child.stdin!.end(stdin);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => {
      if (!mayCrash && hasCrashed(output.stderr)) {
        const command = [program, ...args].join(" ");
        noteStrayError(new Error(`An uncaught error ended a program: ${command}\n${output.stderr}`));
      }
      resolve({ status, signal, ...output });
    });
  });
  return { child, output, ended };
}

/** Starts the command line tool in the runtime under test. */
export function startTaskrunner(args: readonly string[], options: StartOptions = {}): Started {
  return start(process.execPath, [...RUN_MODULE, join(PROJECT, "cli.ts"), ...args], options);
}

/** Runs the command line tool in the runtime under test to its end, without the summary that it would give. */
export async function taskrunner(
  args: readonly string[],
  options: StartOptions = {},
): Promise<Ended & { results: TaskResult[] }> {
  const ended = await startTaskrunner(["--quiet", ...args], { stdin: "", ...options }).ended;
  return { ...ended, results: parseResults(ended.stdout) };
}

/** Starts a shell script, with the runtime under test as `$RUNTIME`, as in `$RUNTIME cli.ts`. */
export function startShell(script: string, options: StartOptions = {}): Started {
  const runtime = [process.execPath, ...RUN_MODULE].join(" ");
  return start("sh", ["-c", script], { stdin: "", ...options, env: { RUNTIME: runtime, ...options.env } });
}

/** Runs a shell script to its end, as {@linkcode startShell} starts it. */
export function shell(script: string, options: StartOptions = {}): Promise<Ended> {
  return startShell(script, options).ended;
}

/** The results in JSON Lines. */
export function parseResults(lines: string): TaskResult[] {
  return lines.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

/** Tasks, or other values, as JSON Lines. */
export function jsonLines(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value) + "\n").join("");
}

/** Writes a file of tasks into a directory and returns its path. */
export async function taskFile(directory: string, tasks: readonly unknown[], name = "tasks.jsonl"): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, jsonLines(tasks));
  return path;
}

/** Tasks of which, with one retry, one in ten fails, some take too long, and few are killed. */
export function mixedTasks(count: number): Task[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `task ${index + 1}`;
    if (index % 10 === 3) return { id, cmd: `echo "task ${index + 1} is not right" >&2; exit 3` };
    if (index % 14 === 6) return { id, cmd: "sleep 60", timeoutMs: 150 };
    if (index % 37 === 8) return { id, cmd: "kill -9 $$" };
    return { id, cmd: `sleep 0.0${index % 7}; echo ${index + 1}` };
  });
}

/** A result with some of its fields given. */
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

/**
 * Writes a script that can be run. Another process writes it: those that this one starts meanwhile, in other tests,
 * would have the open file for a moment, and no system runs what is open for writing ("text file busy").
 */
export async function writeProgram(path: string, text: string): Promise<void> {
  const { status, stderr } = await start("sh", ["-c", 'cat > "$0" && chmod 755 "$0"', path], { stdin: text }).ended;
  if (status !== 0) throw new Error(stderr);
}

/** A place for temporary files that may be used as far as it goes. */
export function unlimitedPlace(path: string): Place {
  return { path, wantedBytes: 0, workerBytes: 0, freeBytes: () => Infinity, unseenBytes: 0 };
}
