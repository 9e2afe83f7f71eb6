/**
 * Runs each test file many times on each runtime, several concurrently, beside busy loops that keep the load high.
 * Prints which files failed and how often, and saves the output of each failure. Fails if a file failed. SIGINT
 * terminates everything.
 *
 *     deno task shake [FILE...] [--times 10] [--load 30] [--jobs 6] [--runtimes deno,bun,node] [--minutes 30]
 */

import { parseArgs } from "@std/cli/parse-args";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { failedTestsIn, pathOfTest, runTestFile, TEST_COMMANDS, testFiles } from "./test_file.ts";

/** Shell script that keeps a CPU busy as long as its parent lives. */
const BUSY_LOOP = 'while kill -0 "$0" 2> /dev/null; do n=0; while [ $n -lt 100000 ]; do n=$((n + 1)); done; done';

const flags = parseArgs(process.argv.slice(2), {
  string: ["runtimes", "times", "load", "jobs", "minutes", "_"],
  default: { runtimes: Object.keys(TEST_COMMANDS).join(), times: "10", load: "30", jobs: "6", minutes: "30" },
}) as { runtimes: string; times: string; load: string; jobs: string; minutes: string; _: string[] };
const [times, load, jobs, minutes] = [flags.times, flags.load, flags.jobs, flags.minutes].map(Number);
const runtimes = flags.runtimes.split(",");
const files = flags._.length > 0 ? flags._.map(pathOfTest) : testFiles();

interface Tally {
  runs: number;
  failures: number;
  /** The number of failures of each test. */
  tests: Map<string, number>;
  longestSeconds: number;
}

const tallies = new Map<string, Tally>();
const directory = mkdtempSync(join(tmpdir(), "taskrunner-shake-"));
const abort = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => abort.abort(signal));

// Runs in rounds, so that frequent failures show up early.
const queue = Array.from({ length: times! }, (_, index) => index + 1)
  .flatMap((round) => files.flatMap((file) => runtimes.map((runtime) => ({ round, file, runtime }))));
const total = queue.length;
// Each loop gets its own session: Linux may share CPU time by session, and all loops together would count as one test.
const loops = Array.from({ length: Math.max(0, load! - jobs!) }, () => {
  return spawn("sh", ["-c", BUSY_LOOP, String(process.pid)], { stdio: "ignore", detached: true });
});
try {
  await Promise.all(Array.from({ length: jobs! }, work));
} finally {
  for (const loop of loops) loop.kill("SIGKILL");
}
report();
process.exit(abort.signal.aborted || [...tallies.values()].some(({ failures }) => failures > 0) ? 1 : 0);

/** Performs runs until none is left. */
async function work(): Promise<void> {
  for (let next = queue.shift(); next && !abort.signal.aborted; next = queue.shift()) {
    const { round, file, runtime } = next;
    const limit = AbortSignal.timeout(minutes! * 60_000);
    const run = await runTestFile(runtime, file, {}, AbortSignal.any([abort.signal, limit]));
    if (abort.signal.aborted) return;
    const key = `${basename(file, "_test.ts")} | ${runtime}`;
    const tally = tallies.get(key) ?? { runs: 0, failures: 0, tests: new Map(), longestSeconds: 0 };
    tallies.set(key, tally);
    tally.runs++;
    tally.longestSeconds = Math.max(tally.longestSeconds, run.seconds);
    const label = `${total - queue.length}/${total} ${runtime} ${file} ${run.seconds.toFixed()} s, load ${loadNow()}`;
    if (run.failed === 0) {
      console.error(`${label}: ok`);
      continue;
    }
    tally.failures++;
    const names = failedTestsIn(run.output);
    if (limit.aborted) names.push(`not over after ${minutes} minutes`);
    if (names.length === 0) names.push("no test by its name");
    for (const name of names) tally.tests.set(name, (tally.tests.get(name) ?? 0) + 1);
    const path = join(directory, `${basename(file)}.${runtime}.${round}.txt`);
    writeFileSync(path, run.output);
    console.error(`${label}: FAILED: ${names.join("; ")}; see ${path}`);
  }
}

function loadNow(): string {
  return readFileSync("/proc/loadavg", "latin1").split(" ")[0]!;
}

/** Prints the number of runs, and the failures as a Markdown table. */
function report(): void {
  const all = [...tallies.entries()].sort(([a], [b]) => a < b ? -1 : 1);
  const runs = all.reduce((sum, [, tally]) => sum + tally.runs, 0);
  const failed = all.filter(([, { failures }]) => failures > 0);
  const failures = failed.reduce((sum, [, tally]) => sum + tally.failures, 0);
  console.log(`${runs} runs of ${files.length} files on ${runtimes.join(", ")} at load ${load}: ${failures} failed`);
  if (failed.length === 0) return;
  console.log(`\n| file | runtime | failed | longest | tests |\n| --- | --- | --- | --- | --- |`);
  for (const [key, { runs, failures, tests, longestSeconds }] of failed) {
    const names = [...tests].map(([name, count]) => `${name} (${count})`).join("; ");
    console.log(`| ${key} | ${failures} of ${runs} | ${longestSeconds.toFixed()} s | ${names} |`);
  }
  console.log(`\nOutput of the failed runs: ${directory}`);
}
