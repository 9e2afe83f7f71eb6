/** Starts the command in this process. @module */

import process from "node:process";
import { enableCompileCache } from "../system/compile_cache.ts";
import { EXIT_ERROR } from "./exit_status.ts";

/**
 * Runs the command with the arguments and streams of this process. Ends the process with the exit status of the command,
 * and does not return.
 */
export async function runCommandLine(): Promise<never> {
  // A promise that never settles must not look like success.
  process.exitCode = EXIT_ERROR;
  enableCompileCache("taskrunner"); // for the modules that are loaded from now on
  const { runInProcess } = await import("./command_process.ts");
  return await runInProcess();
}

/** Ends the process after an internal error, with a status that is not a number of failed tasks. */
export function failCommand(error: unknown): void {
  console.error(error);
  process.exit(EXIT_ERROR);
}
