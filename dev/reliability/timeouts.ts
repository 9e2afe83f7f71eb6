/**
 * Timeouts under load, beside timeout(1): `deno task reliability:timeouts [--load 20] [--rounds 5] [--executor process]`.
 *
 * In 64 slots, beside busy loops, half of the tasks need 80 % of their limit, and half 150 %. Counted is what ended in the
 * wrong way: a short task that was timed out, or a long one that was not. The same commands run under
 * `xargs -P64 timeout` as the measure of what the machine allows.
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
  console.log("| how | short tasks timed out | long tasks not timed out | tasks of each |");
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

/** Loops that end with this program, however that ends. */
function startLoops(count: number): ChildProcess[] {
  return Array.from(
    { length: count },
    () => spawn("sh", ["-c", "while kill -0 $PPID; do :; done"], { stdio: "ignore" }),
  );
}

/** How long the task with an index sleeps, in seconds. */
function sleepOf(index: number): number {
  return SHARES[index % SHARES.length]! * LIMIT_SECONDS;
}

/** Counts what timeout(1) has ended in the wrong way. It says 124 for a task that it has ended. */
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
  if (ends.length !== TASKS) throw new Error(`There are ${ends.length} results of ${TASKS} tasks`);
  const isShort = (seconds: number) => seconds < LIMIT_SECONDS;
  return [
    ends.filter(([seconds, isTimeout]) => isShort(seconds) && isTimeout).length,
    ends.filter(([seconds, isTimeout]) => !isShort(seconds) && !isTimeout).length,
  ];
}

/** What a program prints. */
function output(program: string, args: readonly string[], input: string): Promise<string> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => text += piece);
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve(text));
  });
}
