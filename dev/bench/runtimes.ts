import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The command line tool. */
export const CLI = fileURLToPath(new URL("../../cli.ts", import.meta.url));

/** How each runtime runs a module. */
export const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  deno: ["deno", "run", "-A", "--v8-flags=--optimize-for-size"],
  bun: ["bun"],
  node: ["node"],
};

/** Finds the executable of a runtime: the command of its name may be a script that starts it. */
export function pathOf(name: string): string {
  const args = name === "deno" ? ["eval", "-p", "Deno.execPath()"] : ["-p", "process.execPath"];
  return execFileSync(RUNTIMES[name]![0]!, args, { encoding: "utf8" }).trim();
}
