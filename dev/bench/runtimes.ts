import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Path of the command's entry module. */
export const CLI = fileURLToPath(new URL("../../cli.ts", import.meta.url));

/** A runtime. */
export type RuntimeName = "deno" | "bun" | "node";

/** The runtimes with their names in prose. */
export const RUNTIME_TITLES: Readonly<Record<RuntimeName, string>> = { deno: "Deno", bun: "Bun", node: "Node" };

/** All runtimes. */
export const RUNTIME_NAMES = Object.keys(RUNTIME_TITLES) as readonly RuntimeName[];

/** The command prefix with which each runtime runs a module. */
export const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  deno: ["deno", "run", "-A", "--v8-flags=--optimize-for-size"],
  bun: ["bun"],
  node: ["node"],
};

/** Returns the command on a runtime as its users install it: the modules of the project for Deno, the npm package for others. */
export function taskrunnerCommand(runtime: RuntimeName, packageDirectory: string): string[] {
  return [...RUNTIMES[runtime]!, runtime === "deno" ? CLI : join(packageDirectory, "bin/taskrunner.js")];
}

/** Returns the path of a runtime's executable, as the command of that name may be a wrapper script. */
export function pathOf(name: string): string {
  const args = name === "deno" ? ["eval", "-p", "Deno.execPath()"] : ["-p", "process.execPath"];
  return execFileSync(RUNTIMES[name]![0]!, args, { encoding: "utf8" }).trim();
}

/** Returns the name of the command as a contender. */
export function taskrunnerOn(runtime: RuntimeName): string {
  return `taskrunner on ${runtime}`;
}
