/**
 * Measures how long a run takes to end after SIGTERM, by number of running tasks, on an idle machine and beside other
 * processes. Fails if a task has no result, or if a process or directory is left.
 *
 *     deno task endings [--tasks 250,500,1000,2000] [--foreign 0,2500] [--executor shell,process] [--repeats 3]
 *         [--samples FILE] [--plot docs/endings.svg] [deno] [bun] [node]
 *
 * Needs Linux, gcc, and a process limit of twice the number of tasks. Also measures the current cost of forking a
 * static program (`static_fork.c`) with each time, as the speed of a shared machine varies.
 */

import { parseArgs } from "@std/cli/parse-args";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { CLI, pathOf, RUNTIMES } from "../bench/runtimes.ts";
import { EXECUTORS } from "../../executors/mod.ts";
import { statFields } from "../../system/process_stat.ts";
import { jsonLines, parseResults, PROJECT, withTempDirectory } from "../../tests/support/helpers.ts";
import { drawEndings, type Ending, tableOf } from "./endings_plot.ts";

const FORKS = 1_000;
/** Clock in which Linux reports CPU times. */
const TICKS_PER_SECOND = 100;
/** Variable that identifies the processes of a run, which tasks inherit. */
const MARK = "TASKRUNNER_ENDING";

const flags = parseArgs(process.argv.slice(2), {
  string: ["tasks", "foreign", "executor", "repeats", "samples", "plot", "_"],
  default: { tasks: "250,500,1000,2000", foreign: "0,2500", executor: EXECUTORS.join(), repeats: "3" },
});
const { samples: samplesPath, plot: plotPath } = flags as { samples?: string; plot?: string };
const lists = [flags.tasks, flags.foreign] as [string, string];
const [taskCounts, foreignCounts] = lists.map((list) => list.split(",").map(Number)) as [number[], number[]];
const executors = (flags.executor as string).split(",");
const operands = flags["_"] as string[];
const names = operands.length > 0 ? operands : Object.keys(RUNTIMES);
const runtimes = new Map(names.map((name) => [name, [pathOf(name), ...RUNTIMES[name]!.slice(1)]]));

await withTempDirectory(async (directory) => {
  const forkProgram = join(directory, "static_fork");
  execFileSync("gcc", ["-O2", "-static", "-o", forkProgram, join(PROJECT, "dev/reliability/static_fork.c")]);
  const endings: Ending[] = [];
  for (let repeat = 1; repeat <= Number(flags.repeats); repeat++) {
    for (const foreign of foreignCounts) {
      await besideOthers(foreign, async () => {
        for (const runtime of names) {
          for (const executor of executors) {
            for (const tasks of taskCounts) {
              const run = { runtime, executor, tasks, foreign };
              const costOfFork = () => Number(execFileSync(forkProgram, [`${FORKS}`], { encoding: "utf8" }));
              const beforeUs = costOfFork();
              const times = await measure(run, directory);
              const ending: Ending = { ...run, ...times, forkUs: (beforeUs + costOfFork()) / 2 };
              console.log(JSON.stringify(ending));
              endings.push(ending);
              if (samplesPath !== undefined) await appendFile(samplesPath, jsonLines([ending]));
            }
          }
        }
      });
    }
  }
  console.log(tableOf(endings));
  if (plotPath !== undefined) await writeFile(plotPath, `${drawEndings(endings)}\n`);
});

/** Calls a function while sleeping processes exist that do not belong to any run. */
async function besideOthers(count: number, use: () => Promise<void>): Promise<void> {
  if (count === 0) return await use();
  const script =
    `i=0; while [ $i -lt ${count} ]; do sleep 100000 & i=$((i + 1)); done; echo started; read -r _; kill -KILL 0`;
  const others = spawn("sh", ["-c", script], { detached: true, stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(others, "exit");
  try {
    await once(others.stdout, "data");
    await use();
  } finally {
    others.stdin.end(); // also closed if this program is killed
    await ended;
  }
}

/** Starts a run, waits until all tasks are running, and terminates it. */
async function measure(
  { runtime, executor, tasks }: Pick<Ending, "runtime" | "executor" | "tasks">,
  directory: string,
): Promise<Pick<Ending, "seconds" | "cpuSeconds" | "startSeconds" | "ends">> {
  const mark = `${runtime}-${executor}-${tasks}-${Date.now()}`;
  const [input, output] = ["tasks", "results"].map((name) => join(directory, `${mark}.${name}`)) as [string, string];
  // The argument identifies these processes among all others named sleep.
  const cmd = `sleep 1000.${Date.now() % 1_000_000}`;
  await writeFile(input, jsonLines(Array.from({ length: tasks }, () => ({ cmd }))));
  const [program, ...args] = [
    ...runtimes.get(runtime)!,
    CLI,
    "--quiet",
    "--executor",
    executor,
    "-j",
    `${tasks}`,
    input,
  ];
  const startedMs = performance.now();
  const descriptor = openSync(output, "w");
  const child = spawn(program!, args, {
    env: { ...process.env, [MARK]: mark },
    stdio: ["ignore", descriptor, "inherit"],
  });
  closeSync(descriptor);
  const exited = once(child, "exit");
  try {
    let running: number[] = [];
    while (running.length < tasks) {
      if (child.exitCode !== null) throw new Error(`The run exited with ${child.exitCode} before SIGTERM`);
      await new Promise((resolve) => setTimeout(resolve, 300)); // polling takes CPU time from the run
      running = processesWith("cmdline", `${cmd.replace(" ", "\0")}\0`);
    }
    const outputFile = readlinkSync(`/proc/${running[0]}/fd/1`);
    const processes = processesWith("environ", `${MARK}=${mark}`);
    const cpuBefore = cpuOfEndedChildren(process.pid) + sum(processes.map(cpuOf));
    const signaledMs = performance.now();
    process.kill(child.pid!, "SIGTERM");
    const [status] = await exited;
    const seconds = (performance.now() - signaledMs) / 1000;
    const cpuSeconds = cpuOfEndedChildren(process.pid) - cpuBefore;
    assertEquals(status, 143);
    const results = parseResults(await readFile(output, "utf8"));
    assertEquals(results.filter(({ outcome }) => outcome !== "canceled"), []);
    const byEnd = Map.groupBy(results, ({ status, signal }) => `${status} ${signal}`);
    const ends = Object.fromEntries([...byEnd].map(([end, { length }]) => [end, length]));
    assertEquals(new Set(results.map(({ id }) => id)).size, tasks);
    assertEquals(processesWith("environ", `${MARK}=${mark}`), []);
    if (executor === "shell") assertEquals(existsSync(dirname(dirname(outputFile))), false);
    const startSeconds = (signaledMs - startedMs) / 1000;
    return { seconds, cpuSeconds, startSeconds, ends };
  } finally {
    for (const pid of processesWith("environ", `${MARK}=${mark}`)) process.kill(pid, "SIGKILL"); // after a failure
  }
}

/** Returns the CPU time of a process and of its reaped children, in seconds. */
function cpuOf(pid: number): number {
  return sum(statFields(`/proc/${pid}`).slice(11, 15).map(Number)) / TICKS_PER_SECOND;
}

function cpuOfEndedChildren(pid: number): number {
  return sum(statFields(`/proc/${pid}`).slice(13, 15).map(Number)) / TICKS_PER_SECOND;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

/** Returns the ids of processes whose `cmdline` or `environ` contains a text. */
function processesWith(file: "cmdline" | "environ", text: string): number[] {
  return readdirSync("/proc").filter((entry) => /^\d+$/.test(entry)).map(Number).filter((pid) => {
    try {
      const content = readFileSync(`/proc/${pid}/${file}`, "latin1");
      return file === "cmdline" ? content === text : content.includes(text);
    } catch {
      return false;
    }
  });
}
