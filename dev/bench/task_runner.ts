/**
 * Compares `TaskRunner` with simple ways to run commands, in programs that hold increasing amounts of memory; ported
 * from the benchmark of TaskRunner.php, the predecessor of this project. Prints one JSON line per measurement, from
 * which `task_runner_report.ts` creates tables and a chart.
 *
 *     deno task bench:runner [--rounds 5] [--limit 2] [--counts 1000,20000] [--memory 0,10,50,100,500,1000]
 *         [--kinds raw,sleep] [deno] [bun] [node] > results.jsonl
 */

import { parseArgs } from "@std/cli/parse-args";
import { execFileSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Report } from "./parent.ts";
import { RUNTIMES } from "./runtimes.ts";

/** The ways to run the tasks. */
export const MODES = ["one-by-one", "pool", "TaskRunner"] as const;

/** The measurement of one program. */
export interface Measurement extends Report {
  round: number;
  runtime: string;
  kind: string;
  count: number;
  megabytes: number;
  mode: typeof MODES[number];
}

const JOBS = 16;
const PARENT = fileURLToPath(new URL("./parent.ts", import.meta.url));

if (import.meta.main) {
  const flags = parseArgs(process.argv.slice(2), {
    string: ["rounds", "limit", "counts", "memory", "kinds"],
    default: { rounds: "5", limit: "2", counts: "1000,20000", memory: "0,10,50,100,500,1000", kinds: "raw,sleep" },
  });
  const list = (name: "counts" | "memory" | "kinds") => (flags[name] as string).split(",");
  const names = flags["_"] as string[];
  for (let round = 1; round <= Number(flags["rounds"]); round++) {
    for (const runtime of names.length > 0 ? names : Object.keys(RUNTIMES)) {
      for (const kind of list("kinds")) {
        for (const megabytes of list("memory").map(Number)) {
          for (const count of list("counts").map(Number)) {
            for (const mode of MODES) {
              // The slow modes may stop early, once their speed is known.
              const limit = mode === "TaskRunner" ? [] : [flags["limit"] as string];
              const args = [mode, kind, `${count}`, `${JOBS}`, `${megabytes}`, ...limit];
              const [program, ...runtimeArgs] = RUNTIMES[runtime]!;
              const report = execFileSync(program!, [...runtimeArgs, PARENT, ...args], { encoding: "utf8" });
              const measurement: Measurement = { round, runtime, kind, count, megabytes, mode, ...JSON.parse(report) };
              console.log(JSON.stringify(measurement));
            }
          }
        }
      }
    }
  }
}
