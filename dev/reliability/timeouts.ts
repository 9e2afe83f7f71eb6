/**
 * Compares timeouts under load with timeout(1).
 *
 *     deno task reliability:timeouts [--load 20] [--rounds 5] [--executor process]
 *
 * Runs tasks in 64 slots beside busy loops: half of the tasks need 80 % of the time limit, half 150 %. Counts short
 * tasks that time out and long tasks that do not. `xargs -P64 timeout` with the same commands is the baseline.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";
import { CLI, RUNTIMES } from "../bench/runtimes.ts";
import type { TaskResult } from "../../mod.ts";

const SLOTS = 64;
const TASKS = 256;
const LIMIT_SECONDS = 1;
const SHARES = [0.8, 1.5];

const { load, rounds, executor: executors = "shell,process" } = parseArgs(process.argv.slice(2), {
  string: ["load", "rounds", "executor"],
}) as Record<string, string | undefined>;
const loops = startLoops(Number(load ?? 20));
try {
  console.log(`${loops.length} busy loops; ${TASKS} tasks in ${SLOTS} slots, limit ${LIMIT_SECONDS} s\n`);
  console.log("| runner | short tasks timed out | long tasks not timed out | tasks of each kind |");
  console.log("| --- | --: | --: | --: |");
  const ways: [string, () => Promise<[number, number]>][] = [["xargs -P64 timeout", underTimeout]];
  for (const [name, runtime] of Object.entries(RUNTIMES)) {
    for (const executor of executors.split(",")) {
      ways.push([`${name}, ${executor}`, () => underUs(runtime, executor)]);
    }
  }
  for (const [name, measure] of ways) {
    let [short, long] = [0, 0];
    for (let round = 0; round < Number(rounds ?? 5); round++) {
      const counts = await measure();
      short += counts[0];
      long += counts[1];
    }
    console.log(`| ${name} | ${short} | ${long} | ${TASKS / 2 * Number(rounds ?? 5)} |`);
  }
} finally {
  for (const loop of loops) loop.kill("SIGKILL");
}

/** Starts busy loops that end when this program ends, even if it is killed. */
function startLoops(count: number): ChildProcess[] {
  return Array.from(
    { length: count },
    () => spawn("sh", ["-c", "while kill -0 $PPID; do :; done"], { stdio: "ignore" }),
  );
}

/** Returns the duration of a task in seconds. */
function sleepOf(index: number): number {
  return SHARES[index % SHARES.length]! * LIMIT_SECONDS;
}

/** Counts the wrong decisions of timeout(1), which exits with 124 after a timeout. */
async function underTimeout(): Promise<[short: number, long: number]> {
  const script = `timeout ${LIMIT_SECONDS} sh -c "sleep $1"; echo "$1 $?"`;
  const input = Array.from({ length: TASKS }, (_, index) => `${sleepOf(index)}\n`).join("");
  const lines = (await output("xargs", ["-P", `${SLOTS}`, "-n1", "sh", "-c", script, "sh"], input)).trim().split("\n");
  return count(lines.map((line) => line.split(" ")).map(([sleep, status]) => [Number(sleep), status === "124"]));
}

async function underUs(
  [program, ...args]: readonly string[],
  executor: string,
): Promise<[short: number, long: number]> {
  const flags = ["-q", "-j", `${SLOTS}`, "--timeout", `${LIMIT_SECONDS}`, "--executor", executor];
  const tasks = Array.from({ length: TASKS }, (_, index) => `${JSON.stringify({ cmd: `sleep ${sleepOf(index)}` })}\n`);
  const lines = (await output(program!, [...args, CLI, ...flags], tasks.join(""))).trim().split("\n");
  const results = lines.map((line) => JSON.parse(line) as TaskResult);
  return count(results.map(({ id, outcome }) => [sleepOf(Number(id) - 1), outcome === "timeout"]));
}

function count(ends: [seconds: number, isTimeout: boolean][]): [short: number, long: number] {
  if (ends.length !== TASKS) throw new Error(`Got ${ends.length} results for ${TASKS} tasks`);
  const isShort = (seconds: number) => seconds < LIMIT_SECONDS;
  return [
    ends.filter(([seconds, isTimeout]) => isShort(seconds) && isTimeout).length,
    ends.filter(([seconds, isTimeout]) => !isShort(seconds) && !isTimeout).length,
  ];
}

/** Runs a program and returns its output. */
function output(program: string, args: readonly string[], input: string): Promise<string> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => text += chunk);
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve(text));
  });
}
