/** Runs the programs that build a release. @module */

import { spawn } from "node:child_process";
import process from "node:process";

/** Options of {@linkcode output}. */
export interface ProgramOptions {
  cwd: string;
  env?: Readonly<Record<string, string>>;
}

/**
 * Runs a program, and returns its standard output and standard error.
 *
 * @throws `Error` with that text when the program is missing or fails.
 */
export function output(
  program: string,
  args: readonly string[],
  { cwd, env }: ProgramOptions,
): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const texts = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => texts.stdout += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => texts.stderr += text);
    child.once("error", (cause) => reject(new Error(`Cannot start ${program}: ${cause.message}`, { cause })));
    child.once("close", (status, signal) => {
      if (status === 0) return resolve(texts);
      const command = [program, ...args].join(" ");
      reject(new Error(`Cannot run ${command}: ${signal ?? `exit status ${status}`}\n${texts.stderr}${texts.stdout}`));
    });
  });
}
