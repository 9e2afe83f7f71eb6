import { fileURLToPath } from "node:url";

/** The command line tool. */
export const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));

/** How each runtime runs a module. */
export const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  deno: ["deno", "run", "-A", "--v8-flags=--optimize-for-size"],
  bun: ["bun"],
  node: ["node"],
};
