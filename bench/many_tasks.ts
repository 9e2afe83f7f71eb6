/**
 * Runs `echo N` for many tasks from a file through the command line tool, on each runtime, and checks that every id
 * comes back exactly once, that the sum is right, and how the memory of the tool grows with the number of tasks.
 *
 *     deno task bench:many [--tasks 170000] [--jobs 8] [deno] [bun] [node]
 */

import { parseArgs } from "@std/cli/parse-args";
import { spawn } from "node:child_process";
import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import process from "node:process";
import { finished } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { parseResult, readJsonLines } from "../mod.ts";

const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));
const RUNTIMES: Record<string, [program: string, args: string[]]> = {
  deno: ["deno", ["run", "-A"]],
  bun: ["bun", []],
  node: ["node", []],
};
/** The smaller run that memory is compared with is this many times smaller. */
const RATIO = 100;

interface Figures {
  seconds: number;
  peakMiB: number;
}

const { tasks = "170000", jobs = "8", _: names } = parseArgs(process.argv.slice(2), { string: ["tasks", "jobs", "_"] });
const runtimes = (names as string[]).length > 0 ? names as string[] : Object.keys(RUNTIMES);

console.log("| runtime | tasks | seconds | tasks/s | peak memory, MiB | against 1/100 of the tasks |");
console.log("|---|---|---|---|---|---|");
for (const runtime of runtimes) {
  const few = await measure(runtime, Math.ceil(Number(tasks) / RATIO));
  const many = await measure(runtime, Number(tasks));
  const cells = [
    runtime,
    tasks,
    many.seconds.toFixed(0),
    (Number(tasks) / many.seconds).toFixed(0),
    `${few.peakMiB.toFixed(0)} → ${many.peakMiB.toFixed(0)}`,
    `${(many.peakMiB / few.peakMiB).toFixed(2)} ×`,
  ];
  console.log(`| ${cells.join(" | ")} |`);
}

async function measure(runtime: string, count: number): Promise<Figures> {
  const directory = await mkdtemp(join(tmpdir(), "taskrunner-bench-"));
  try {
    const input = join(directory, "tasks.jsonl");
    const output = join(directory, "results.jsonl");
    await writeTasks(input, count);
    const [program, args] = RUNTIMES[runtime]!;
    const startedMs = performance.now();
    const child = spawn(program, [...args, CLI, input, "-o", output, "-j", String(jobs)], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    let peakMiB = 0;
    const sampling = setInterval(() => peakMiB = Math.max(peakMiB, peakOf(child.pid!)), 100);
    const [status] = await once(child, "exit");
    clearInterval(sampling);
    const seconds = (performance.now() - startedMs) / 1000;
    if (status !== 0) throw new Error(`${runtime} ended with ${status}`);
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

/** The most memory the process has had, which the kernel keeps. */
function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

async function check(path: string, count: number): Promise<void> {
  const seen = new Set<string>();
  let sum = 0;
  for await (const { value } of readJsonLines(createReadStream(path), { parse: parseResult })) {
    if (seen.has(value.id)) throw new Error(`${value.id} came twice`);
    seen.add(value.id);
    sum += Number(value.stdout);
  }
  if (seen.size !== count || sum !== count * (count + 1) / 2) throw new Error(`${seen.size} ids, sum ${sum}`);
}
