/**
 * Compares `taskrunner stats` on each runtime with other ways to read JSON Lines: a loop around JSON.parse, and jq.
 * Prints medians of five rounds.
 *
 *     deno task bench:stats [--results 1000000]
 */

import { parseArgs } from "@std/cli/parse-args";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { finished } from "node:stream/promises";
import { median } from "./median.ts";
import { peakMemoryMiB } from "./peak_memory.ts";
import { CLI, RUNTIMES } from "./runtimes.ts";

const ROUNDS = 5;
/** jq gets 1/10 of the file. */
const JQ_PART = 10;

const LOOP = `import { createInterface } from "node:readline"; import { createReadStream } from "node:fs";
let sum = 0;
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) sum += JSON.parse(line).durationMs;
console.log(sum);`;

interface Measured {
  seconds: number;
  cpuSeconds: number;
  peakMiB: number;
}

const { results: count = "1000000" } = parseArgs(process.argv.slice(2), { string: ["results"] });
const directory = await mkdtemp(join(tmpdir(), "taskrunner-bench-"));
try {
  const [few, many, part] = ["few", "many", "part"].map((name) => join(directory, name)) as [string, string, string];
  await writeResults(few, Number(count) / 100);
  await writeResults(many, Number(count));
  await writeResults(part, Number(count) / JQ_PART);
  const loop = join(directory, "loop.mjs");
  createWriteStream(loop).end(LOOP);
  const commands: [name: string, command: string[], path: string][] = [
    ...Object.entries(RUNTIMES).map(([name, run]): [string, string[], string] => [
      `stats on ${name}`,
      [...run, CLI, "stats"],
      many,
    ]),
    ["readline and JSON.parse on node", ["node", loop], many],
    ["jq", ["jq", "-n", "reduce (inputs | .durationMs) as $ms (0; . + $ms)"], part],
  ];
  const rounds: Measured[][] = commands.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, [, command, path]] of commands.entries()) rounds[index]!.push(await measure([...command, path]));
  }
  const { size } = await stat(many);
  console.log(`${count} results, ${(size / Number(count)).toFixed(0)} bytes each\n`);
  console.log("| | MB/s | MB per CPU second | relative to jq | peak memory, MiB | with 1/100 of the results |");
  console.log("|---|---:|---:|---:|---:|---:|");
  const speeds = await Promise.all(commands.map(async ([, , path], index) => {
    const megabytes = (await stat(path)).size / 1e6;
    return rounds[index]!.map(({ seconds, cpuSeconds }) => [megabytes / seconds, megabytes / cpuSeconds] as const);
  }));
  for (const [index, [name, command]] of commands.entries()) {
    const [wall, cpu] = [0, 1].map((which) => median(speeds[index]!.map((speed) => speed[which]!)));
    const ratio = median(speeds[index]!.map(([speed], round) => speed / speeds.at(-1)![round]![0]));
    const small = name.startsWith("stats") ? (await measure([...command, few])).peakMiB.toFixed(0) : "";
    const peak = median(rounds[index]!.map(({ peakMiB }) => peakMiB)).toFixed(0);
    console.log(`| ${[name, wall!.toFixed(0), cpu!.toFixed(0), `${ratio.toFixed(1)} ×`, peak, small].join(" | ")} |`);
  }
} finally {
  await rm(directory, { recursive: true });
}

/** Writes results like those of a run of `echo N` with 16 slots. */
async function writeResults(path: string, count: number): Promise<void> {
  const file = createWriteStream(path);
  const startedMs = Date.parse("2026-11-23T20:00:00Z");
  for (let number = 1; number <= count; number++) {
    const line = JSON.stringify({
      id: `task-${number}`,
      status: 0,
      outcome: "ok",
      attempts: 1,
      slot: 1 + number % 16,
      startedAt: new Date(startedMs + Math.floor(number / 5)).toISOString(),
      durationMs: Math.round((1.5 + 3 * Math.random()) * 1000) / 1000,
      userMs: 0,
      systemMs: number % 7 === 0 ? 10 : 0,
      stdout: `${number}\n`,
      stderr: "",
      cmdHash: "38c4c98c",
    });
    if (!file.write(`${line}\n`)) await once(file, "drain");
  }
  file.end();
  await finished(file);
}

/** Runs a program to its end. The shell measures its CPU time. */
async function measure(command: readonly string[]): Promise<Measured> {
  const script = 'TIMEFORMAT="%R %U %S"; time { "$@" >/dev/null & echo "$!"; wait "$!"; }';
  const child = spawn("bash", ["-c", script, "bash", ...command], { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr, peakMiB] = ["", "", 0];
  child.stdout.on("data", (text) => stdout += text);
  child.stderr.on("data", (text) => stderr += text);
  const sampling = setInterval(() => peakMiB = Math.max(peakMiB, peakMemoryMiB(Number(stdout))), 20);
  const [status] = await once(child, "close");
  clearInterval(sampling);
  if (status !== 0) throw new Error(`${command.join(" ")} exited with ${status}: ${stderr}`);
  const [seconds, userSeconds, systemSeconds] = stderr.trim().split("\n").at(-1)!.split(" ").map(Number);
  return { seconds: seconds!, cpuSeconds: userSeconds! + systemSeconds!, peakMiB };
}
