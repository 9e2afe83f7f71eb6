/**
 * Measures `taskrunner --resume -o results.jsonl tasks.jsonl` on each runtime when all tasks but one have a result: the
 * duration, also relative to `wc -l` of the results, and the peak memory. Prints medians of five rounds.
 *
 *     deno task bench:resume [--results 1000000]
 */

import { parseArgs } from "@std/cli/parse-args";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { finished } from "node:stream/promises";
import { commandHash } from "../../records/command_hash.ts";
import { median } from "./median.ts";
import { CLI, RUNTIMES } from "./runtimes.ts";

const ROUNDS = 5;

interface Measured {
  seconds: number;
  cpuSeconds: number;
  peakMiB: number;
}

const { results: count = "1000000" } = parseArgs(process.argv.slice(2), { string: ["results"] });
const directory = await mkdtemp(join(tmpdir(), "taskrunner-bench-"));
try {
  const [tasks, results] = [join(directory, "tasks.jsonl"), join(directory, "results.jsonl")];
  await writeLines(tasks, Number(count) + 1, taskOf);
  await writeLines(results, Number(count), resultOf);
  const { size } = await stat(results);
  const rounds: Record<string, Measured>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const measured: Record<string, Measured> = { wc: await measure(["wc", "-l", results]) };
    for (const [name, command] of Object.entries(RUNTIMES)) {
      measured[name] = await measure([...command, CLI, "--quiet", "--resume", "-o", results, tasks]);
      const added = (await stat(results)).size - size;
      if (added < 100 || added > 400) throw new Error(`${name} has added ${added} bytes, expected one result`);
      await truncate(results, size);
    }
    rounds.push(measured);
  }
  console.log(`${count} results of ${(size / Number(count)).toFixed(0)} bytes\n`);
  console.log("| | seconds | CPU seconds | relative to wc -l | peak memory, MiB |");
  console.log("|---|---:|---:|---:|---:|");
  for (const name of Object.keys(rounds[0]!)) {
    const of = (value: (round: Record<string, Measured>) => number) => median(rounds.map(value));
    const seconds = of((round) => round[name]!.seconds).toFixed(2);
    const cpuSeconds = of((round) => round[name]!.cpuSeconds).toFixed(2);
    const ratio = of((round) => round[name]!.seconds / round.wc!.seconds).toFixed(0);
    console.log(
      `| ${[name, seconds, cpuSeconds, `${ratio} ×`, of((round) => round[name]!.peakMiB).toFixed(0)].join(" | ")} |`,
    );
  }
} finally {
  await rm(directory, { recursive: true });
}

function idOf(number: number): string {
  return `task-${String(number).padStart(7, "0")}`;
}

function taskOf(number: number): unknown {
  return { id: idOf(number), cmd: `echo ${number}` };
}

/** Returns a result like those of a run of `echo N` with 16 slots. */
function resultOf(number: number): unknown {
  return {
    id: idOf(number),
    status: 0,
    outcome: "ok",
    attempts: 1,
    slot: 1 + number % 16,
    startedAt: new Date(Date.UTC(2026, 0) + Math.floor(number / 5)).toISOString(),
    durationMs: Math.round((1.5 + 3 * Math.random()) * 1000) / 1000,
    userMs: 0,
    systemMs: number % 7 === 0 ? 10 : 0,
    stdout: `${number}\n`,
    stderr: "",
    cmdHash: commandHash(`echo ${number}`),
  };
}

async function writeLines(path: string, count: number, valueOf: (number: number) => unknown): Promise<void> {
  const file = createWriteStream(path);
  for (let number = 1; number <= count; number++) {
    if (!file.write(`${JSON.stringify(valueOf(number))}\n`)) await once(file, "drain");
  }
  file.end();
  await finished(file);
}

/** Runs a program to its end. GNU time reports its peak memory. */
async function measure(command: readonly string[]): Promise<Measured> {
  const child = spawn("/usr/bin/time", ["-f", "%e %U %S %M", ...command], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (text) => stderr += text);
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error(`${command.join(" ")} exited with ${status}: ${stderr}`);
  const [seconds, userSeconds, systemSeconds, peakKiB] = stderr.trim().split("\n").at(-1)!.split(" ").map(Number);
  return { seconds: seconds!, cpuSeconds: userSeconds! + systemSeconds!, peakMiB: peakKiB! / 1024 };
}
