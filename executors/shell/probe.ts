/** Probes whether a shell can run plain commands in its workers. @module */

import type { ShellWorker } from "./worker.ts";
import { probeScript } from "./script.ts";

/** The capabilities of a shell. */
export interface ShellCapabilities {
  /** True when plain commands print the same messages in a subshell of a worker as in a fresh shell. */
  runsPlainCommands: boolean;
  /** True when the shell names the signal that ended a program as the launcher does. */
  namesSignals: boolean;
}

/** A program that cannot exist. */
const NO_PROGRAM = "/dev/null/x";
/** The name of the first real-time signal, which differs between C libraries and languages. */
const SIGNAL_NAME = "Real-time signal 0";

/**
 * Determines the capabilities of a shell. Of the tested shells, only dash (the `sh` of Debian and Ubuntu) prints the same
 * messages: the others number the lines of a script from a pipe differently.
 *
 * @throws `Error` when the worker fails.
 */
export async function probeShell(worker: ShellWorker, shell: string): Promise<ShellCapabilities> {
  const report = await worker.probe(probeScript(worker.nextNumber, NO_PROGRAM, shell));
  const [first, second, third] = report.messages.split("\n");
  return {
    runsPlainCommands: first === `${shell}: 1: ${NO_PROGRAM}: not found` &&
      second === `${shell}: 2: ${NO_PROGRAM}: not found`,
    namesSignals: third === SIGNAL_NAME,
  };
}
