/**
 * What a program does without taskrunner: one process for each command of a file, started with an API of the runtime.
 *
 *     node bench/peers/api.ts deno|bun|node|execa|bun-shell COMMANDS JOBS MEGABYTES
 */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { holdMemory } from "../ballast.ts";

const [api, file, jobs, megabytes] = process.argv.slice(2);
const held = holdMemory(Number(megabytes));
const commands = readFileSync(file!, "utf8").trimEnd().split("\n");

/** Runs a shell command and gives what it has printed. */
const runners: Record<string, () => Promise<(command: string) => Promise<string>>> = {
  node: () => Promise.resolve(runWithNode),
  deno: () =>
    Promise.resolve(async (command) => {
      const { stdout } = await new Deno.Command("sh", { args: ["-c", command] }).output();
      return new TextDecoder().decode(stdout);
    }),
  bun: () =>
    Promise.resolve(async (command) => {
      // deno-lint-ignore no-explicit-any -- only here, and only in Bun
      const child = (globalThis as any).Bun.spawn(["sh", "-c", command], { stdin: "ignore", stderr: "pipe" });
      const [stdout] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      return stdout;
    }),
  "bun-shell": () => {
    // deno-lint-ignore no-explicit-any -- only here, and only in Bun
    const $ = (globalThis as any).Bun.$;
    return Promise.resolve((command) => $`sh -c ${command}`.quiet().text());
  },
  async execa() {
    const { execa } = await import("execa");
    return async (command) => (await execa("sh", ["-c", command])).stdout;
  },
};

function runWithNode(command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", command], { stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    child.stdout.on("data", (chunk) => stdout += chunk);
    child.stderr.resume();
    child.once("error", reject);
    child.once("close", () => resolve(stdout));
  });
}

const { default: pLimit } = await import("p-limit");
const run = await runners[api!]!();
const limit = pLimit(Number(jobs));
let bytes = 0;
await Promise.all(commands.map((command) =>
  limit(async () => {
    bytes += (await run(command)).length;
  })
));
if (bytes < 0 || held.length !== Number(megabytes)) throw new Error("The memory was not held");
