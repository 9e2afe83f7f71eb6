/**
 * Simulates a working day of eight hours in less time. Two runs, one for each executor, last for the whole day with
 * varying load, while others are repeatedly interrupted and resumed.
 */

import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { EXECUTORS } from "../../executors/mod.ts";
import { randomNumbers, SEED, signalIfThere, type Started, waitFor } from "../../tests/support/helpers.ts";
import { Sandbox } from "../../tests/support/sandbox.ts";
import { checkResults, exitStatusAfter } from "./ledger.ts";
import { MEMORY } from "./many_tasks.ts";
import { FLAGS, LARGE_OUTPUTS, type Mixture, tasksOf, TROUBLE, USUAL } from "./mixture.ts";
import { Sampler, type Watched } from "./sampler.ts";

const HOURS = 8;
/** Messages of Deno at SIGUSR1, and of the command. */
const EXPECTED_MESSAGES =
  /^(?:taskrunner: running up to \d+ tasks? at once|Debugger listening .*|Visit chrome:.*|Failed to start inspector .*)\n/gm;

/** A phase of an hour. */
interface Phase {
  mixture: Mixture;
  /** Pause after each task; by default the next task is supplied immediately. */
  pauseMs?: number;
  /** If true, the input stalls in the middle of a task for the whole phase. */
  isStalled?: boolean;
  /** Change of the concurrency. */
  moreJobs?: number;
}

/** The phases of an hour, all of the same length. */
const PHASES: readonly Phase[] = [
  { mixture: USUAL, pauseMs: 20 },
  { mixture: USUAL },
  { mixture: USUAL, isStalled: true },
  { mixture: LARGE_OUTPUTS },
  { mixture: USUAL, moreJobs: 4 },
  { mixture: TROUBLE },
  { mixture: USUAL, moreJobs: -2 },
];

/** Runs a day in `ms` milliseconds. */
export async function runDay(name: string, runtime: readonly string[], ms: number): Promise<Watched[]> {
  const interrupting = interruptRuns(name, runtime, ms);
  const feeding = EXECUTORS.map((executor) => feedRun(name, runtime, executor, ms));
  const ended = await Promise.allSettled([interrupting, ...feeding]); // waits until all of them have cleaned up
  const errors = ended.flatMap((end) => end.status === "rejected" ? [end.reason] : []);
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} parts of the day of ${name} failed`);
  console.log(await interrupting);
  return await Promise.all(feeding);
}

/** Starts a run for the whole day and supplies it with tasks. */
function feedRun(name: string, runtime: readonly string[], executor: string, ms: number): Promise<Watched> {
  return Sandbox.with(async (sandbox) => {
    const run = sandbox.start(["-o", sandbox.output, "-j4", "--executor", executor, ...FLAGS]);
    const sampler = new Sampler(sandbox, run.child.pid!);
    const count = await feed(run, executor, ms / HOURS / PHASES.length);
    const { status, stderr } = await run.ended;
    sampler.stop();
    const { outcomes, failures } = await checkResults(sandbox.output, count);
    assertEquals(status, exitStatusAfter(failures));
    assertEquals(stderr.replaceAll(EXPECTED_MESSAGES, ""), "");
    await sandbox.waitForCleanup();
    const of = `${count} tasks in a day, each with its result`;
    console.log(`${name}, ${executor}: ${of}: ${JSON.stringify(outcomes)}`);
    return { part: "a day", runtime: name, executor, samples: sampler.samples };
  }, { runtime, memory: MEMORY });
}

/** Supplies a run with the tasks of a day; returns their number. */
async function feed(run: Started, executor: string, phaseMs: number): Promise<number> {
  const stdin = run.child.stdin!;
  const write = async (text: string) => {
    if (stdin.write(text)) return;
    if (await Promise.race([once(stdin, "drain"), run.ended.then(() => "ended")]) === "ended") {
      throw new Error(`The run has ended early: ${JSON.stringify(await run.ended)}`);
    }
  };
  let number = 0;
  let endMs = performance.now(); // of the phase; a phase that overruns, as its queue is long, shortens the next ones
  for (let hour = 0; hour < HOURS; hour++) {
    for (const { mixture, pauseMs, isStalled, moreJobs = 0 } of PHASES) {
      endMs += phaseMs;
      const task = tasksOf(mixture, executor);
      await changeJobs(run, moreJobs);
      do {
        const line = `${JSON.stringify(task(++number))}\n`;
        const half = isStalled ? Math.floor(line.length / 2) : line.length;
        await write(line.slice(0, half));
        if (isStalled) await sleep(Math.max(0, endMs - performance.now()));
        else if (pauseMs !== undefined) await sleep(pauseMs);
        await write(line.slice(half));
      } while (performance.now() < endMs);
      await changeJobs(run, -moreJobs);
    }
  }
  stdin.end();
  return number;
}

/**
 * Changes the concurrency. Sends each signal after the previous one has taken effect, as pending signals are merged.
 */
async function changeJobs({ child, output }: Started, more: number): Promise<void> {
  const answers = () => output.stderr.split(" at once\n").length;
  for (let sent = 0; sent < Math.abs(more); sent++) {
    const before = answers();
    process.kill(child.pid!, more > 0 ? "SIGUSR1" : "SIGUSR2");
    await waitFor("the answer", () => answers() > before);
  }
}

const SIGNALS = ["SIGKILL", "SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"] as const;
const STATUSES = [129, 130, 137, 143];
const TASKS = 1_000;
/** Maximum duration of the first run, and the increment for each further run. */
const LONGEST_MS = 1_000;

/** Repeatedly starts a run that is interrupted at random times and resumed until it is complete. */
async function interruptRuns(name: string, runtime: readonly string[], ms: number): Promise<string> {
  const endMs = performance.now() + ms;
  const random = randomNumbers(SEED);
  let [runs, interruptions] = [0, 0];
  while (performance.now() < endMs) {
    const executor = EXECUTORS[runs++ % EXECUTORS.length]!;
    await Sandbox.with(async (sandbox) => {
      const task = tasksOf(USUAL, executor);
      const input = join(sandbox.directory, "tasks.jsonl");
      const lines = Array.from({ length: TASKS }, (_, index) => `${JSON.stringify(task(index + 1))}\n`);
      await writeFile(input, lines.join(""));
      const args = [input, "-o", sandbox.output, "--resume", "-j4", "--executor", executor, ...FLAGS];
      for (let longestMs = LONGEST_MS;; longestMs += LONGEST_MS, interruptions++) { // longer each time, so that it completes
        const { child, ended } = sandbox.start(args, { stdin: "" });
        const signal = SIGNALS[Math.floor(random() * SIGNALS.length)]!;
        const timer = setTimeout(() => signalIfThere(child.pid!, signal), random() * longestMs);
        const { status, stderr } = await ended;
        clearTimeout(timer);
        if (status !== null && status <= 101) break;
        if (status !== null && !STATUSES.includes(status)) throw new Error(`status ${status}: ${stderr}`);
      }
      await checkResults(sandbox.output, TASKS);
      await sandbox.waitForCleanup();
    }, { runtime, memory: MEMORY }).catch((error) => {
      throw new Error(`${name}, ${executor}, interrupted run ${runs} of seed ${SEED}`, { cause: error });
    });
  }
  return `${name}: ${runs} runs of ${TASKS} tasks, interrupted ${interruptions} times and resumed, each with all results`;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
