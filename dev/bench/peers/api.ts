/**
 * Runs each NUL-terminated command of a file in a process of its own with an API of the runtime, as a program without
 * taskrunner would.
 *
 *     node dev/bench/peers/api.ts deno|bun|node|execa|bun-shell COMMANDS JOBS MEGABYTES
 */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { measureWithMemory } from "../ballast.ts";

const [api, file, jobs, megabytes] = process.argv.slice(2);
const commands = readFileSync(file!, "utf8").split("\0").slice(0, -1);

// deno-lint-ignore no-explicit-any -- exists only on Bun
const bun = (globalThis as any).Bun;

/** Functions that run a shell command and return its output. */
const runners: Record<string, (command: string) => Promise<string>> = {
  node: runWithNode,
  async deno(command) {
    const { stdout } = await new Deno.Command("sh", { args: ["-c", command] }).output();
    return new TextDecoder().decode(stdout);
  },
  async bun(command) {
    const child = bun.spawn(["sh", "-c", command], { stdin: "ignore", stderr: "pipe" });
    const [stdout] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return stdout;
  },
  "bun-shell": (command) => bun.$`sh -c ${command}`.quiet().text(),
  async execa(command) {
    const { execa } = await import("execa"); // large: imported only where it is used
    return (await execa("sh", ["-c", command])).stdout;
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
const run = runners[api!]!;
const limit = pLimit(Number(jobs));
await measureWithMemory(Number(megabytes), () => Promise.all(commands.map((command) => limit(() => run(command)))));
