/**
 * Runs many `echo N` tasks from a file on each runtime. Checks that every id has exactly one result and that the
 * outputs add up, and measures how the memory of the command grows with the number of tasks. For comparison, runs the
 * same commands with xargs.
 *
 *     deno task bench:many [--tasks 170000] [--jobs 8] [deno] [bun] [node]
 */

import { parseArgs } from "@std/cli/parse-args";
import { spawn } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import process from "node:process";
import { finished } from "node:stream/promises";
import { parseResult, readJsonLines } from "../../mod.ts";
import { peakMemoryMiB } from "./peak_memory.ts";
import { CLI, RUNTIMES } from "./runtimes.ts";

/** Ratio between the two runs whose memory is compared. */
const RATIO = 100;
/** xargs gets 1/10 of the work, which suffices to measure its speed. */
const XARGS_PART = 10;

interface Figures {
  seconds: number;
  peakMiB: number;
}

const { tasks = "170000", jobs = "8", _: names } = parseArgs(process.argv.slice(2), { string: ["tasks", "jobs", "_"] });
const runtimes = (names as string[]).length > 0 ? names as string[] : Object.keys(RUNTIMES);

console.log(
  "| runtime | tasks | seconds | tasks/s | relative to xargs | peak memory, MiB | ratio to 1/100 of the tasks |",
);
console.log("|---|---|---|---|---|---|---|");
const xargsSeconds = XARGS_PART * await measureXargs(Math.ceil(Number(tasks) / XARGS_PART));
row("xargs -P", xargsSeconds, ["", ""]);
for (const runtime of runtimes) {
  const few = await measure(runtime, Math.ceil(Number(tasks) / RATIO));
  const many = await measure(runtime, Number(tasks));
  const memory = `${few.peakMiB.toFixed(0)} → ${many.peakMiB.toFixed(0)}`;
  row(runtime, many.seconds, [memory, `${(many.peakMiB / few.peakMiB).toFixed(2)} ×`]);
}

function row(name: string, seconds: number, memory: string[]): void {
  const speed = [(Number(tasks) / seconds).toFixed(0), `${(xargsSeconds / seconds).toFixed(2)} ×`];
  console.log(`| ${[name, tasks, seconds.toFixed(0), ...speed, ...memory].join(" | ")} |`);
}

/** Measures the same work without results, with one shell per task. */
async function measureXargs(count: number): Promise<number> {
  const script =
    `seq ${count} | xargs -P ${jobs} -n 1 sh -c 'echo "$0"' | awk '{ sum += $1 } END { printf "%.0f", sum }'`;
  const startedMs = performance.now();
  const child = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "inherit"] });
  let sum = "";
  for await (const chunk of child.stdout) sum += chunk;
  if (Number(sum) !== count * (count + 1) / 2) throw new Error(`xargs: the sum is ${sum}`);
  return (performance.now() - startedMs) / 1000;
}

async function measure(runtime: string, count: number): Promise<Figures> {
  const directory = await mkdtemp(join(tmpdir(), "taskrunner-bench-"));
  try {
    const input = join(directory, "tasks.jsonl");
    const output = join(directory, "results.jsonl");
    await writeTasks(input, count);
    const [program, ...args] = RUNTIMES[runtime]!;
    const startedMs = performance.now();
    const child = spawn(program!, [...args, CLI, input, "-o", output, "-j", String(jobs)], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    let peakMiB = 0;
    const sampling = setInterval(() => peakMiB = Math.max(peakMiB, peakMemoryMiB(child.pid!)), 100);
    const [status] = await once(child, "exit");
    clearInterval(sampling);
    const seconds = (performance.now() - startedMs) / 1000;
    if (status !== 0) throw new Error(`${runtime} exited with ${status}`);
    await check(output, count);
    return { seconds, peakMiB };
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function writeTasks(path: string, count: number): Promise<void> {
  const file = createWriteStream(path);
  for (let number = 1; number <= count; number++) {
    if (!file.write(`{"cmd":"echo ${number}"}\n`)) await once(file, "drain");
  }
  file.end();
  await finished(file);
}

async function check(path: string, count: number): Promise<void> {
  const seen = new Set<string>();
  let sum = 0;
  for await (const { value } of readJsonLines(createReadStream(path), { parse: parseResult })) {
    if (seen.has(value.id)) throw new Error(`Task ${value.id} has two results`);
    seen.add(value.id);
    sum += Number(value.stdout);
  }
  if (seen.size !== count || sum !== count * (count + 1) / 2) throw new Error(`${seen.size} ids, sum ${sum}`);
}
