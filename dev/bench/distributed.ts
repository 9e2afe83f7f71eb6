/**
 * Compares a run over NATS with the same run on this machine: first one worker with 16 slots on each runtime, then an
 * increasing number of workers with 4 slots for tasks that only sleep.
 *
 *     deno task bench:nats [--rounds 5] [--count 20000]
 */

import { parseArgs } from "@std/cli/parse-args";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { median } from "./median.ts";
import { CLI, RUNTIMES } from "./runtimes.ts";

const flags = parseArgs(process.argv.slice(2), {
  string: ["rounds", "count"],
  default: { rounds: "5", count: "20000" },
});
const [rounds, count] = [Number(flags["rounds"]), Number(flags["count"])];
const directory = await mkdtemp(join(tmpdir(), "taskrunner-bench-"));
const server = spawn(
  "nats-server",
  ["-js", "-a", "127.0.0.1", "-p", "-1", "-sd", join(directory, "js"), "--ports_file_dir", directory],
  { stdio: "ignore" },
);
try {
  const nats = ["--nats", await serverUrl(), "--queue", "bench"];
  const echo = await taskFile("echo", count, (number) => `echo ${number}`);
  console.log(`Median of ${rounds}, tasks per second, ${count} tasks \`echo N\`, 16 slots:\n`);
  console.log("| runtime | on this machine | over NATS | ratio |");
  console.log("|---|---:|---:|---:|");
  for (const runtime of Object.keys(RUNTIMES)) {
    const [here, there]: [number[], number[]] = [[], []];
    await withWorkers(runtime, 1, [...nats, "-j", "16"], async () => {
      for (let round = 0; round < rounds; round++) {
        here.push(count / await secondsOf(runtime, [echo, "-j", "16"]));
        there.push(count / await secondsOf(runtime, [echo, ...nats]));
      }
    });
    const [local, remote] = [median(here), median(there)];
    console.log(`| ${runtime} | ${local.toFixed(0)} | ${remote.toFixed(0)} | ${(remote / local).toFixed(2)} |`);
  }
  const waits = await taskFile("sleep", 1_000, () => "sleep 0.05");
  console.log("\n1,000 tasks `sleep 0.05`, workers with 4 slots each, on Node, all on one machine:\n");
  console.log("| workers | tasks per second | share of the maximum for the slots |");
  console.log("|---:|---:|---:|");
  for (const workers of [1, 2, 4, 8]) {
    const speeds: number[] = [];
    await withWorkers("node", workers, [...nats, "-j", "4"], async () => {
      for (let round = 0; round < rounds; round++) speeds.push(1_000 / await secondsOf("node", [waits, ...nats]));
    });
    console.log(
      `| ${workers} | ${median(speeds).toFixed(0)} | ${(median(speeds) / (workers * 4 / 0.05)).toFixed(2)} |`,
    );
  }
} finally {
  server.kill();
  await rm(directory, { recursive: true, force: true });
}

async function serverUrl(): Promise<string> {
  while (true) {
    const file = (await readdir(directory)).find((name) => name.endsWith(".ports"));
    const text = file ? await readFile(join(directory, file), "utf8") : "";
    if (text) return JSON.parse(text).nats[0];
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function taskFile(name: string, tasks: number, cmdOf: (number: number) => string): Promise<string> {
  const path = join(directory, `${name}.jsonl`);
  const lines = Array.from({ length: tasks }, (_, index) => `${JSON.stringify({ cmd: cmdOf(index + 1) })}\n`);
  await writeFile(path, lines.join(""));
  return path;
}

function start(runtime: string, args: readonly string[]): ChildProcess {
  const [program, ...runtimeArgs] = RUNTIMES[runtime]!;
  return spawn(program!, [...runtimeArgs, CLI, ...args], { stdio: ["ignore", "ignore", "pipe"] });
}

async function withWorkers(
  runtime: string,
  workers: number,
  args: readonly string[],
  use: () => Promise<void>,
): Promise<void> {
  const started = Array.from({ length: workers }, () => start(runtime, ["worker", ...args]));
  await Promise.all(started.map((worker) => new Promise((resolve) => worker.stderr!.once("data", resolve))));
  await use();
  await Promise.all(started.map((worker) => {
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    worker.kill();
    return ended;
  }));
}

/** Returns the duration of a run, including the start of its process. */
async function secondsOf(runtime: string, args: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  const child = start(runtime, [...args, "--quiet"]);
  let stderr = "";
  child.stderr!.on("data", (text) => stderr += text);
  const status = await new Promise((resolve) => child.once("close", resolve));
  if (status !== 0) throw new Error(`The run exited with ${status}: ${stderr}`);
  return (performance.now() - startedMs) / 1000;
}
