/** Results of attempts that could not start, with the exit statuses of shells: 127 for not found, else 126. @module */

import { access, constants, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { hasEscapedBytes } from "../text/byte_text.ts";
import { excerpt } from "../text/excerpt.ts";
import { isPermitted } from "../system/deno_permissions.ts";
import { systemCode, systemReason } from "../system/system_error.ts";
import { type AttemptResult, resultWithoutOutput } from "../pool/executor.ts";

/** Remedies by the code of the system error for an exhausted resource. */
const REMEDIES: Readonly<Record<string, string>> = {
  EMFILE: "raise the limit for this program (ulimit -n)",
  ENFILE: "raise the limit for all programs (fs.file-max)",
  EAGAIN: "raise the limit (ulimit -u, or that of the container), or end other processes",
  ENOMEM: "end other processes, or raise the limit (ulimit -v, or that of the container)",
};

/** Returns whether a system error means that a resource which every process needs is exhausted. */
export function isShortage(error: unknown): boolean {
  return Object.hasOwn(REMEDIES, systemCode(error) ?? "");
}

/** Returns the result of an attempt whose working directory is unusable; `undefined` when the directory is usable. */
export async function unusableDirectory(
  cwd: string | undefined,
  durationMs: number,
): Promise<AttemptResult | undefined> {
  if (cwd === undefined) return undefined;
  const problem = await directoryProblem(cwd);
  if (problem === undefined) return undefined;
  return spawnFailed(126, `the working directory ${excerpt(cwd)} ${problem}`, durationMs);
}

/** Returns the result of an attempt that could not open its input file. A relative path is resolved against `cwd`. */
export async function unusableInput(
  file: string,
  cwd: string | undefined,
  durationMs: number,
): Promise<AttemptResult> {
  // Not every runtime can look up a path with bytes that are not UTF-8.
  const problem = hasEscapedBytes(file) ? "could not be opened" : await inputProblem(resolve(cwd ?? "", file));
  return spawnFailed(126, `the file for standard input ${excerpt(file)} ${problem}`, durationMs);
}

/** Returns the result of an attempt with a variable that the shell which starts its program cannot pass on. */
export function unusableVariable(name: string, hasInputFile: boolean): AttemptResult {
  const [other, remedy] = hasInputFile
    ? ["a file for standard input, because a shell opens the file", "redirect standard input in the command instead"]
    : ["bytes that are not UTF-8, because a shell passes these bytes", "set the variable in the command instead"];
  const reason = `cannot be set together with ${other} and does not pass the variable on; ${remedy}`;
  return spawnFailed(126, `the variable ${excerpt(name)} ${reason}`, 0);
}

/** Returns the result of an attempt whose program could not start because of a system error. */
export function unusableProgram(program: string, error: unknown, durationMs: number): AttemptResult {
  const code = systemCode(error) ?? "";
  switch (code) {
    case "ENOENT":
      return spawnFailed(127, `the program ${excerpt(program)} was not found`, durationMs);
    case "EACCES":
      return spawnFailed(126, `the program ${excerpt(program)} is not executable`, durationMs);
    case "E2BIG":
      return spawnFailed(126, "the command and its environment exceed the size limit of the system", durationMs);
    default: {
      const reason = systemReason(error);
      if (!isShortage(error)) return spawnFailed(126, reason, durationMs);
      return resultWithoutOutput({ kind: "no-resources", reason: `${reason}; ${REMEDIES[code]}` }, durationMs);
    }
  }
}

function spawnFailed(status: 126 | 127, reason: string, durationMs: number): AttemptResult {
  return resultWithoutOutput({ kind: "spawn-failed", status, reason: `Cannot start the task: ${reason}` }, durationMs);
}

async function directoryProblem(path: string): Promise<string | undefined> {
  try {
    return (await stat(path)).isDirectory() ? undefined : "is not a directory";
  } catch (error) {
    return systemCode(error) === "ENOENT" ? "does not exist" : `cannot be used: ${systemReason(error)}`;
  }
}

/** Returns why a file could not be opened. The file may have changed since. */
async function inputProblem(path: string): Promise<string> {
  if (!isPermitted({ name: "read", path })) return "could not be opened"; // Deno would prompt the user
  try {
    if ((await stat(path)).isDirectory()) return "is a directory";
    await access(path, constants.R_OK);
    return "could not be opened";
  } catch (error) {
    return systemCode(error) === "ENOENT" ? "does not exist" : `cannot be read: ${systemReason(error)}`;
  }
}
