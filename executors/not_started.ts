/** Results of attempts that could not start, with the statuses that a shell gives: 127 not found, else 126. @module */

import { access, constants, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { excerpt } from "../text/excerpt.ts";
import { isPermitted } from "../system/deno_permissions.ts";
import { systemCode, systemReason } from "../system/system_error.ts";
import { type AttemptResult, resultWithoutOutput } from "../pool/executor.ts";

/** Remedies by the error of the system for a resource that ran out, whatever is to be started. */
const REMEDIES: Readonly<Record<string, string>> = {
  EMFILE: "the limit for this program is to be raised (ulimit -n)",
  ENFILE: "the limit for all programs is to be raised (fs.file-max)",
  EAGAIN: "the limit is to be raised (ulimit -u, or that of the container), or others are to be ended",
  ENOMEM: "others are to be ended, or the limit is to be raised (ulimit -v, or that of the container)",
};

/** Returns whether an error of the system means that it has too few of something that every process needs. */
export function isShortage(error: unknown): boolean {
  return Object.hasOwn(REMEDIES, systemCode(error) ?? "");
}

/** Returns the result of an attempt whose working directory cannot be used; `undefined` when it can. */
export async function unusableDirectory(
  cwd: string | undefined,
  durationMs: number,
): Promise<AttemptResult | undefined> {
  if (cwd === undefined) return undefined;
  const problem = await directoryProblem(cwd);
  if (problem === undefined) return undefined;
  return spawnFailed(126, `the working directory ${excerpt(cwd)} ${problem}`, durationMs);
}

/** Returns the result of an attempt that could not open the file for its standard input; a relative path is below `cwd`. */
export async function unusableInput(
  file: string,
  cwd: string | undefined,
  durationMs: number,
): Promise<AttemptResult> {
  const problem = await inputProblem(resolve(cwd ?? "", file));
  return spawnFailed(126, `the file for standard input ${excerpt(file)} ${problem}`, durationMs);
}

/** Returns the result of an attempt with a variable that is lost when a shell opens the file for its standard input. */
export function unusableVariable(name: string, durationMs: number): AttemptResult {
  return spawnFailed(
    126,
    `the variable ${excerpt(name)} cannot be set beside a file for standard input, which a shell opens; ` +
      "redirect standard input in the command instead",
    durationMs,
  );
}

/** Returns the result of an attempt whose program the system did not start. */
export function unusableProgram(program: string, error: unknown, durationMs: number): AttemptResult {
  const code = systemCode(error) ?? "";
  switch (code) {
    case "ENOENT":
      return spawnFailed(127, `the program ${excerpt(program)} was not found`, durationMs);
    case "EACCES":
      return spawnFailed(126, `the program ${excerpt(program)} may not be executed`, durationMs);
    case "E2BIG":
      return spawnFailed(126, "the command and its environment are longer than the system allows", durationMs);
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

/** Says why a file could not be opened; a file that could be opened by now was changed meanwhile. */
async function inputProblem(path: string): Promise<string> {
  if (!isPermitted({ name: "read", path })) return "could not be opened"; // else Deno would ask the user
  try {
    if ((await stat(path)).isDirectory()) return "is a directory";
    await access(path, constants.R_OK);
    return "could not be opened";
  } catch (error) {
    return systemCode(error) === "ENOENT" ? "does not exist" : `cannot be read: ${systemReason(error)}`;
  }
}
