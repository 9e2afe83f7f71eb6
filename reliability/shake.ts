/**
 * Runs each file of tests many times on each runtime, several at once, beside programs that do nothing but want a CPU, and
 * prints which have failed and how often. What a run that failed has printed is kept in a directory. Ends with an error when
 * one has failed, and at SIGINT with all that it has started.
 *
 *     deno task shake [FILE...] [--times 10] [--load 30] [--jobs 6] [--runtimes deno,bun,node] [--minutes 30]
 */

import { parseArgs } from "@std/cli/parse-args";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { PROJECT } from "../tests/helpers.ts";
import { failedTestsIn, runTestFile, TEST_COMMANDS } from "./test_file.ts";

/** Wants a CPU for as long as its parent is there. */
const BUSY_LOOP = 'while kill -0 "$0" 2> /dev/null; do n=0; while [ $n -lt 100000 ]; do n=$((n + 1)); done; done';

const flags = parseArgs(process.argv.slice(2), {
  string: ["runtimes", "times", "load", "jobs", "minutes", "_"],
  default: { runtimes: Object.keys(TEST_COMMANDS).join(), times: "10", load: "30", jobs: "6", minutes: "30" },
}) as { runtimes: string; times: string; load: string; jobs: string; minutes: string; _: string[] };
const [times, load, jobs, minutes] = [flags.times, flags.load, flags.jobs, flags.minutes].map(Number);
const runtimes = flags.runtimes.split(",");
const files = flags._.length > 0
  ? flags._.map((name) => `${basename(name).replace(/(_test)?([.]ts)?$/, "")}_test.ts`)
  : readdirSync(join(PROJECT, "tests")).filter((name) => name.endsWith("_test.ts")).sort();

interface Tally {
  runs: number;
  failures: number;
  /** Tests that have failed, and how often. */
  tests: Map<string, number>;
  longestSeconds: number;
}

const tallies = new Map<string, Tally>();
const directory = mkdtempSync(join(tmpdir(), "taskrunner-shake-"));
const abort = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => abort.abort(signal));

// In rounds, so that what fails often is seen early.
const queue = Array.from({ length: times! }, (_, index) => index + 1)
  .flatMap((round) => files.flatMap((file) => runtimes.map((runtime) => ({ round, file, runtime }))));
const total = queue.length;
// A session for each: else the system may give all of them together no more than it gives one test.
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

/** Takes one run after the other, until none is left. */
async function work(): Promise<void> {
  for (let next = queue.shift(); next && !abort.signal.aborted; next = queue.shift()) {
    const { round, file, runtime } = next;
    const limit = AbortSignal.timeout(minutes! * 60_000);
    const run = await runTestFile(runtime, file, {}, AbortSignal.any([abort.signal, limit]));
    if (abort.signal.aborted) return;
    const key = `${file.replace("_test.ts", "")} | ${runtime}`;
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
    const path = join(directory, `${file}.${runtime}.${round}.txt`);
    writeFileSync(path, run.output);
    console.error(`${label}: FAILED: ${names.join("; ")}; see ${path}`);
  }
}

function loadNow(): string {
  return readFileSync("/proc/loadavg", "latin1").split(" ")[0]!;
}

/** Prints what failed as a table in Markdown, after the number of runs. */
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
  console.log(`\nWhat they have printed is in ${directory}`);
}
