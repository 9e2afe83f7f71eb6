/** What has to be known about a shell before its workers can be trusted with more than starting programs. @module */

import type { ShellWorker } from "./worker.ts";
import { probeScript } from "./script.ts";

/** Abilities of a shell. */
export interface ShellCapabilities {
  /** Whether plain commands look the same from a subshell of a worker as from a shell of their own. */
  runsPlainCommands: boolean;
}

/** A program that cannot be there. */
const NO_PROGRAM = "/dev/null/x";

/**
 * Probes a shell. Rejects when the worker dies of it. The only shell so far whose messages stay the same is dash, which is
 * the `sh` of Debian and Ubuntu: others count lines differently in a script that they read from a pipe.
 */
export async function probeShell(worker: ShellWorker, shell: string): Promise<ShellCapabilities> {
  const report = await worker.probe(probeScript(worker.nextNumber, NO_PROGRAM));
  const [first, second] = report.messages.split("\n");
  return {
    runsPlainCommands: first === `${shell}: 1: ${NO_PROGRAM}: not found` &&
      second === `${shell}: 2: ${NO_PROGRAM}: not found`,
  };
}
