import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { BENCH } from "./programs.ts";

/** Writes lines to a file in `dev/bench/results` whose name begins with the time, below the time and the machine. */
export async function writeReport(name: string, lines: readonly string[]): Promise<void> {
  const versions = ["deno --version", "bun --version", "node --version"].map((command) =>
    execFileSync("sh", ["-c", `${command} | head -n 1`], { encoding: "utf8" }).trim()
  );
  const machine = `${cpus().length} CPUs (${cpus()[0]?.model.trim()}), ${process.platform}; ${versions.join(", ")}`;
  const time = new Date().toISOString().slice(0, 16);
  await mkdir(join(BENCH, "results"), { recursive: true });
  const path = join(BENCH, "results", `${time.replace(":", "")}${name}.md`);
  await writeFile(path, [`# ${time}Z`, "", machine, "", ...lines].join("\n"));
}
