/**
 * Compares taskrunner with ninja and make on graphs of tasks, and measures `--learn`. Each round runs every contender
 * once, and every other round runs them in reverse. Prints tables and writes them to `dev/bench/results/`, with the
 * measurements of each round and the cost of a fork on this machine, without which no speed can be judged.
 *
 *     deno task bench:workflow [--rounds 5] [--scale 1] [--limit 900] [--ninja PATH] [GRAPH ...]
 *
 * GRAPH is layers, chain, fan-in, independent, late-chain or uneven; default: all. `--scale 0.1` runs a tenth of the tasks
 * of the first four. `--limit` ends a contender after a number of seconds, and leaves it out of later rounds. Needs
 * `apt-get install gcc libc6-dev ninja-build make`; `--ninja` is for a newer ninja.
 */

import { parseArgs } from "@std/cli/parse-args";
import { execFileSync, spawn } from "node:child_process";
import { createWriteStream, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describeState } from "./machine.ts";
import { median } from "./median.ts";
import { peakMemoryMiB } from "./peak_memory.ts";
import { compilePrograms, hasCommand } from "./programs.ts";
import { writeReport } from "./report_file.ts";
import { CLI, RUNTIMES } from "./runtimes.ts";
import {
  chain,
  fanIn,
  type GraphTask,
  independent,
  lateChain,
  layers,
  leastSeconds,
  makeLines,
  ninjaLines,
  taskLines,
  unevenTasks,
} from "./task_graphs.ts";

const SLOTS = 8;
/** The interval at which the memory is sampled. The kernel keeps the peak of the tool itself. */
const SAMPLE_MS = 200;
/** The size of a page of memory. */
const PAGE_MIB = 4096 / 2 ** 20;

interface Measured {
  seconds: number;
  /** Peak memory of the tool. */
  toolMiB: number;
  /** Peak memory of the tool and all its processes, by samples. */
  treeMiB: number;
}

/** A program, with arguments, that runs a graph. */
interface Contender {
  name: string;
  command: readonly string[];
  /** The results file, which must not exist before a run. */
  output?: string;
  /** True to keep what earlier runs of ninja have recorded. */
  keepsLog?: boolean;
}

/** The measurements of a contender: one for each round, until one took too long. */
interface Seen {
  name: string;
  measured: readonly Measured[];
  isStopped: boolean;
}

const flags = parseArgs(process.argv.slice(2), {
  string: ["rounds", "scale", "limit", "ninja", "_"],
  default: { rounds: "5", scale: "1", limit: "900", ninja: "ninja" },
});
const names = flags._ as string[];
const ninjaProgram = flags.ninja as string;
const [rounds, scale, limitSeconds] = [flags.rounds, flags.scale, flags.limit].map(Number) as [number, number, number];
for (const program of [ninjaProgram, "make"]) {
  if (!hasCommand(program)) throw new Error(`Cannot find ${program}: apt-get install ninja-build make`);
}

const directory = await mkdtemp(join(tmpdir(), "taskrunner-bench-"));
try {
  await measureAll();
} finally {
  await rm(directory, { recursive: true });
}

async function measureAll(): Promise<void> {
  const scaled = (count: number) => Math.max(2, Math.round(count * scale));
  const quick: Record<string, () => GraphTask[]> = {
    "layers": () => layers(scaled(100_000), scaled(1_000)),
    "chain": () => chain(scaled(10_000)),
    "fan-in": () => fanIn(scaled(50_000)),
    "independent": () => independent(scaled(100_000)),
  };
  const uneven: Record<string, () => GraphTask[]> = { "late-chain": lateChain, "uneven": unevenTasks };
  const lines = [
    `ninja ${versionOf(ninjaProgram)}, ${versionOf("make")}. On this machine, ${
      describeState(compilePrograms(directory))
    }.`,
    "",
  ];
  const isChosen = ([name]: readonly [string, unknown]) => names.length === 0 || names.includes(name);
  for (const [name, tasksOf] of Object.entries(quick).filter(isChosen)) {
    lines.push(...await measureSpeed(name, tasksOf()), "");
  }
  for (const [name, tasksOf] of Object.entries(uneven).filter(isChosen)) {
    lines.push(...await measureOrder(name, tasksOf()), "");
  }
  await writeReport("-workflow", lines);
  console.log(lines.slice(0, 1).join("\n"));
}

function versionOf(program: string): string {
  return execFileSync(program, ["--version"], { encoding: "utf8" }).split("\n")[0]!;
}

/** Runs a graph of quick tasks with each tool. Returns a table. */
async function measureSpeed(name: string, tasks: readonly GraphTask[]): Promise<string[]> {
  const { run, ninja, make } = await contendersOf(tasks);
  const all = await measureRounds(
    [...Object.keys(RUNTIMES).map((runtime) => run(runtime)), ninja(), make],
    tasks.length,
  );
  const ninjas = all.find((seen) => seen.name.startsWith("ninja"))!;
  const table = [
    `## ${name}: ${tasks.length} tasks, ${rounds} rounds`,
    "",
    "| | seconds, median | tasks/s | speed relative to ninja (min–max) | peak memory of the tool, MiB | with its processes, MiB |",
    "|---|---|---|---|---|---|",
    ...all.map((seen) => {
      if (seen.measured.length === 0) {
        return `| ${seen.name} | > ${limitSeconds} | < ${(tasks.length / limitSeconds).toFixed(0)} | | | |`;
      }
      const seconds = median(seen.measured.map(({ seconds }) => seconds));
      const memory = (["toolMiB", "treeMiB"] as const).map((key) =>
        median(seen.measured.map((one) => one[key])).toFixed(0)
      );
      const cells = [seconds.toFixed(1), (tasks.length / seconds).toFixed(0), speedRatios(seen, ninjas), ...memory];
      return `| ${seen.name} | ${cells.join(" | ")} |`;
    }),
    "",
    ...rawOf(all),
  ];
  console.log(table.join("\n") + "\n");
  return table;
}

/** Runs a graph of tasks with uneven durations, without and with the durations of an earlier run. Returns a table. */
async function measureOrder(name: string, tasks: readonly GraphTask[]): Promise<string[]> {
  const { run, ninja } = await contendersOf(tasks);
  const contenders = Object.keys(RUNTIMES).flatMap((runtime) => [
    run(runtime, "first"),
    run(runtime, "learned", ["--learn", outputOf(runtime, "first")]),
  ]);
  // In the order in which they depend on each other, also in reverse rounds.
  const all = await measureRounds([...contenders, ninja(), ninja(true)], tasks.length, false);
  const least = leastSeconds(tasks, SLOTS);
  const table = [
    `## ${name}: ${tasks.length} tasks that sleep, ${rounds} rounds; at least ${least.toFixed(2)} s with any order`,
    "",
    "| | seconds, median (min–max) | relative to the least |",
    "|---|---|---|",
    ...all.filter(({ measured }) => measured.length > 0).map(({ name, measured }) => {
      const seconds = measured.map(({ seconds }) => seconds);
      const spread = `${median(seconds).toFixed(2)} (${Math.min(...seconds).toFixed(2)}–${
        Math.max(...seconds).toFixed(2)
      })`;
      return `| ${name} | ${spread} | ${(median(seconds) / least).toFixed(2)} |`;
    }),
    "",
    ...rawOf(all),
  ];
  console.log(table.join("\n") + "\n");
  return table;
}

function outputOf(runtime: string, kind: string): string {
  return join(directory, `${runtime}-${kind}.jsonl`);
}

/** Writes the files of a graph. Returns its contenders. */
async function contendersOf(tasks: readonly GraphTask[]) {
  const [taskFile, ninjaFile, makefile] = ["tasks.jsonl", "build.ninja", "makefile"].map((name) =>
    join(directory, name)
  ) as [string, string, string];
  await writeLines(taskFile, taskLines(tasks));
  await writeLines(ninjaFile, ninjaLines(tasks));
  await writeLines(makefile, makeLines(tasks));
  return {
    run: (runtime: string, kind = "", extra: readonly string[] = []): Contender => {
      const output = outputOf(runtime, kind);
      const command = [...RUNTIMES[runtime]!, CLI, taskFile, "-q", `-j${SLOTS}`, "-o", output, ...extra];
      return { name: `taskrunner on ${runtime}${kind === "learned" ? " with --learn" : ""}`, command, output };
    },
    ninja: (keepsLog = false): Contender => {
      const command = [ninjaProgram, "--quiet", `-j${SLOTS}`, "-f", ninjaFile];
      return { name: `ninja -j${SLOTS}${keepsLog ? " with its log of a run" : ""}`, command, keepsLog };
    },
    make: {
      name: `make -j${SLOTS}`,
      command: ["make", `-j${SLOTS}`, "-rR", "-f", makefile, "all"],
    } satisfies Contender,
  };
}

async function writeLines(path: string, lines: Iterable<string>): Promise<void> {
  const withEnds = function* () {
    for (const line of lines) yield `${line}\n`;
  };
  await pipeline(Readable.from(withEnds()), createWriteStream(path));
}

/** Runs every contender once in each round; one that took too long does not run again. */
async function measureRounds(contenders: readonly Contender[], count: number, alternates = true): Promise<Seen[]> {
  const all = contenders.map(({ name }) => ({ name, measured: [] as Measured[], isStopped: false }));
  for (let round = 0; round < rounds; round++) {
    const order = [...contenders.entries()];
    if (alternates && round % 2 === 1) order.reverse();
    for (const [index, contender] of order) {
      const seen = all[index]!;
      if (seen.isStopped) continue;
      const measured = await measure(contender, count);
      if (measured) seen.measured.push(measured);
      else seen.isStopped = true;
    }
  }
  return all;
}

/** Runs a contender to its end; returns `undefined` if that takes too long. */
async function measure({ name, command, output, keepsLog }: Contender, count: number): Promise<Measured | undefined> {
  if (output !== undefined) await rm(output, { force: true });
  if (!keepsLog) await rm(join(directory, ".ninja_log"), { force: true });
  const [program, ...args] = command;
  const startedMs = performance.now();
  const child = spawn(program!, args, { cwd: directory, stdio: ["ignore", "ignore", "inherit"] });
  let [toolMiB, treeMiB] = [0, 0];
  const sampling = setInterval(() => {
    toolMiB = Math.max(toolMiB, peakMemoryMiB(child.pid!));
    treeMiB = Math.max(treeMiB, treeMemoryMiB(child.pid!));
  }, SAMPLE_MS);
  let isTooLong = false;
  const limit = setTimeout(() => isTooLong = child.kill("SIGTERM"), limitSeconds * 1000);
  const status = await new Promise((resolve) => child.once("close", (status, signal) => resolve(status ?? signal)));
  const seconds = (performance.now() - startedMs) / 1000;
  clearInterval(sampling);
  clearTimeout(limit);
  if (isTooLong) return undefined;
  if (status !== 0) throw new Error(`${name} exited with ${status}`);
  if (output !== undefined) checkResults(name, output, count);
  return { seconds, toolMiB, treeMiB };
}

function checkResults(name: string, path: string, count: number): void {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  const ok = lines.filter((line) => line.includes('"outcome":"ok"')).length;
  if (lines.length !== count || ok !== count) throw new Error(`${name}: ${lines.length} results, ${ok} of them ok`);
}

/** Returns the resident memory of a process and its descendants. */
function treeMemoryMiB(pid: number): number {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
    const threads = readdirSync(`/proc/${pid}/task`);
    const children = threads.flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter((child) => child !== "")
    );
    return pages * PAGE_MIB + children.reduce((sum, child) => sum + treeMemoryMiB(Number(child)), 0);
  } catch {
    return 0; // the process has just ended
  }
}

/** Returns the median of the ratios within the same round, and their range. */
function speedRatios({ measured }: Seen, reference: Seen): string {
  const ratios = measured.flatMap(({ seconds }, round) => {
    const other = reference.measured[round];
    return other ? [other.seconds / seconds] : [];
  });
  if (ratios.length === 0) return "";
  return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`;
}

/** Returns the seconds of each round. */
function rawOf(all: readonly Seen[]): string[] {
  const seconds = ({ measured, isStopped }: Seen) =>
    [...measured.map(({ seconds }) => seconds.toFixed(2)), ...isStopped ? [`> ${limitSeconds}`] : []].join(", ");
  return ["Seconds of each round:", "", ...all.map((seen) => `- ${seen.name}: ${seconds(seen)}`)];
}
