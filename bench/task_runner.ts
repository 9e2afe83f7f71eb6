/**
 * `TaskRunner` beside what a program does without it, for programs that hold more and more memory: the benchmark of
 * TaskRunner.php, which this project descends from.
 *
 *     deno task bench:runner [--rounds 1] [--limit 5] [--counts 1000,20000] [--memory 0,10,50,100,500,1000] [deno] [bun] [node]
 */

import { parseArgs } from "@std/cli/parse-args";
import { execFileSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Report } from "./parent.ts";
import { RUNTIMES } from "./runtimes.ts";

const JOBS = 16;
const MODES = ["one-by-one", "pool", "TaskRunner"] as const;
const PARENT = fileURLToPath(new URL("./parent.ts", import.meta.url));

const flags = parseArgs(process.argv.slice(2), {
  string: ["rounds", "limit", "counts", "memory", "kinds"],
  default: { rounds: "1", limit: "5", counts: "1000,20000", memory: "0,10,50,100,500,1000", kinds: "raw,sleep" },
});
const { rounds, limit, counts, memory, kinds } = flags as unknown as Record<
  "rounds" | "limit" | "counts" | "memory" | "kinds",
  string
>;
const names = flags["_"] as string[];
const runtimes = names.length > 0 ? names : Object.keys(RUNTIMES);

for (const runtime of runtimes) {
  for (const kind of kinds.split(",")) {
    for (const count of counts.split(",")) {
      console.log(`\n${runtime}, ${kind === "raw" ? "`echo N`" : "`sleep 0.001–0.010 && echo N`"}, ${count} tasks:\n`);
      console.log(
        "| memory of the program, MB | one by one, tasks/s | pool, tasks/s | TaskRunner, tasks/s | against the pool | longest pause with TaskRunner, ms |",
      );
      console.log("|---|---|---|---|---|---|");
      for (const megabytes of memory.split(",")) console.log(row(runtime, kind, count, megabytes));
    }
  }
}

function row(runtime: string, kind: string, count: string, megabytes: string): string {
  const reports = Array.from({ length: Number(rounds) }, () => {
    return MODES.map((mode) => measure(runtime, [mode, kind, count, `${JOBS}`, megabytes, limit]));
  });
  const speeds = MODES.map((_, index) => median(reports.map((round) => round[index]!.tasks / round[index]!.seconds)));
  const ratio = median(
    reports.map(([, pool, runner]) => runner!.tasks / runner!.seconds / (pool!.tasks / pool!.seconds)),
  );
  const { median: half, p99, max } = reports.map((round) => round[2]!.lateMs).sort((a, b) => a.max - b.max).at(-1)!;
  const pauses = `${max} (half ${half}, 99 % ${p99})`;
  return `| ${[megabytes, ...speeds.map((speed) => speed.toFixed(0)), `${ratio.toFixed(1)} ×`, pauses].join(" | ")} |`;
}

function measure(runtime: string, args: string[]): Report {
  const [program, ...flags] = RUNTIMES[runtime]!;
  return JSON.parse(execFileSync(program!, [...flags, PARENT, ...args], { encoding: "utf8" }));
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
