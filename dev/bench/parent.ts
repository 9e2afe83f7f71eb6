/**
 * Holds memory and runs tasks one by one, in a simple pool, or with a `TaskRunner`. Prints a {@linkcode Report} as
 * JSON.
 *
 *     node dev/bench/parent.ts one-by-one|pool|TaskRunner raw|sleep COUNT JOBS MEGABYTES [SECONDS]
 *
 * Stops after SECONDS; the report has the number of tasks that were run until then. `TASKRUNNER_MODULE` is the path of
 * another `mod.ts`, such as that of the npm package.
 */

import { execFileSync, spawn } from "node:child_process";
import process from "node:process";
import type { TaskRunner } from "../../mod.ts";

const taskrunner: typeof import("../../mod.ts") = await import(process.env.TASKRUNNER_MODULE ?? "../../mod.ts");

/** The measurement of one program. */
export interface Report {
  /** The number of tasks that were run. */
  tasks: number;
  seconds: number;
  /** Delay of a 1 ms timer in milliseconds, which shows how long the event loop was blocked. */
  lateMs: { median: number; p99: number; p999: number; max: number };
}

const [mode, kind, count, jobs, megabytes, limitSeconds = "Infinity"] = process.argv.slice(2);
const CHUNK_BYTES = 1024 * 1024;
// Writes to the memory, as the system allocates pages only at the first write.
const held = Array.from({ length: Number(megabytes) }, (_, index) => new Uint8Array(CHUNK_BYTES).fill(index % 255 + 1));
/** Returns the command of a task; sleeps cycle through 1 to 10 ms. */
const commandOf = (number: number) =>
  `${kind === "sleep" ? `sleep 0.0${String(number % 10 + 1).padStart(2, "0")} && ` : ""}echo ${number}`;

// deno-lint-ignore no-explicit-any -- each exists only on its runtime
const { Deno: deno, Bun: bun } = globalThis as any;
let [tasks, sum, expected] = [0, 0, 0];
const add = (number: number, stdout: string) => {
  tasks++;
  sum += Number(stdout);
  expected += number;
};

const startedMs = performance.now();
const isTimeUp = () => performance.now() - startedMs > Number(limitSeconds) * 1000;
const tasksOfRunner = mode === "TaskRunner" ? filledRunner() : undefined; // a plain loop, not part of the timer measurement
const lateMs = await timerDelays({ "one-by-one": oneByOne, pool, TaskRunner: runner }[mode!]!);
const seconds = (performance.now() - startedMs) / 1000;
if (sum !== expected) throw new Error(`The sum is ${sum}, not ${expected}`);
if (held.some((chunk, index) => chunk[0] !== index % 255 + 1)) throw new Error("The memory was not held");
console.log(JSON.stringify({ tasks, seconds, lateMs } satisfies Report));

// deno-lint-ignore require-await -- same signature as the other modes
async function oneByOne(): Promise<void> {
  const decoder = new TextDecoder();
  for (let number = 1; number <= Number(count) && !isTimeUp(); number++) {
    const args = ["-c", commandOf(number)];
    const stdout = deno
      ? new deno.Command("sh", { args }).outputSync().stdout
      : bun
      ? bun.spawnSync(["sh", ...args]).stdout
      : execFileSync("sh", args);
    add(number, decoder.decode(stdout));
  }
}

async function pool(): Promise<void> {
  let next = 1;
  await Promise.all(Array.from({ length: Number(jobs) }, async () => {
    while (next <= Number(count) && !isTimeUp()) {
      const number = next++;
      add(number, await outputOf(["-c", commandOf(number)]));
    }
  }));
}

async function outputOf(args: string[]): Promise<string> {
  if (deno) return new TextDecoder().decode((await new deno.Command("sh", { args }).output()).stdout);
  if (bun) return await new Response(bun.spawn(["sh", ...args], { stdin: "ignore" }).stdout).text();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn("sh", args, { stdio: ["ignore", "pipe", "ignore"] });
  let stdout = "";
  child.stdout.on("data", (chunk) => stdout += chunk);
  child.once("error", reject);
  child.once("close", () => resolve(stdout));
  return await promise;
}

function filledRunner(): TaskRunner {
  const runner = new taskrunner.TaskRunner(Number(jobs));
  for (let number = 1; number <= Number(count); number++) runner.add(`${number}`, commandOf(number));
  return runner;
}

async function runner(): Promise<void> {
  await tasksOfRunner!.runAndWait(({ id, stdout }) => add(Number(id), stdout));
}

/** Does the work and measures the delay of a 1 ms timer during it. */
async function timerDelays(work: () => Promise<void>): Promise<Report["lateMs"]> {
  const delays: number[] = [0];
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    delays.push(Math.max(0, nowMs - lastMs - 1));
    lastMs = nowMs;
  }, 1);
  await work();
  clearInterval(timer);
  delays.sort((a, b) => a - b);
  const at = (part: number) => Math.round(delays[Math.floor(part * (delays.length - 1))]! * 10) / 10;
  return { median: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}
