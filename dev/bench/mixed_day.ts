/** Runs the mixed day of the soak test on Deno and Bun at the same time. @module */

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SampleLine } from "../reliability/soak_plot.ts";
import { BENCH } from "./programs.ts";
import type { MeasureAllOptions, Measured } from "./row.ts";
import { taskrunnerOn } from "./runtimes.ts";

const MINUTES = 2;
/** The soak test samples once a second, and needs twelve samples. */
const MIN_MINUTES = 0.4;
/** The maximum number of characters of an error message. */
const MAX_MESSAGE = 1_000;

/** Measures the tasks that each runtime completes. Returns when both days have ended, successfully or not. */
export async function measureMixedDay(options: MeasureAllOptions): Promise<ReadonlyMap<string, Promise<Measured>>> {
  const days = new Map(
    (["deno", "bun"] as const).map((runtime) => [taskrunnerOn(runtime), measureDay(runtime, options)]),
  );
  await Promise.allSettled(days.values());
  return days;
}

async function measureDay(runtime: "deno" | "bun", { directory, scale }: MeasureAllOptions): Promise<Measured> {
  const samples = join(directory, `${runtime}.samples.jsonl`);
  const minutes = Math.max(MIN_MINUTES, MINUTES * scale);
  const args = ["--tasks", "0", "--effort", "0", "--minutes", `${minutes}`, "--samples", samples, runtime];
  const child = spawn("deno", ["run", "-A", join(BENCH, "../reliability/soak.ts"), ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk) => stderr = (stderr + chunk).slice(0, MAX_MESSAGE));
  await new Promise((resolve) => child.once("close", resolve)); // a short day may fail, as memory still grows
  const text = await readFile(samples, "utf8").catch(() => "");
  const lines = text.split("\n").filter((line) => line !== "").map((line): SampleLine => JSON.parse(line));
  const lastOfRuns = [...Map.groupBy(lines, ({ executor }) => executor).values()].map((run) => run.at(-1)!);
  if (lastOfRuns.length < 2) throw new Error(`The soak test on ${runtime} has no samples: ${stderr}`);
  return {
    tasks: lastOfRuns.reduce((sum, { tasks }) => sum + tasks, 0),
    seconds: Math.max(...lastOfRuns.map(({ seconds }) => seconds)),
  };
}
