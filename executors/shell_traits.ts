/** What has to be known about a shell before its workers can be trusted with more than starting programs. @module */

import type { ShellWorker } from "./shell_worker.ts";
import { traitsScript } from "./shell_script.ts";

/** How a shell words its messages. */
export interface ShellTraits {
  /** Whether plain commands look the same from a subshell of a worker as from a shell of their own. */
  runsPlainCommands: boolean;
  /** Whether this is what the shell prints when `exec` cannot start the program. */
  isExecFailure(stderr: string, program: string): boolean;
}

/** A program that cannot be there. */
const NO_PROGRAM = "/dev/null/x";

/**
 * Finds out by trying. Rejects when the worker dies of it. The only shell so far whose messages stay the same is dash, which is the `sh` of Debian and
 * Ubuntu: others count lines differently in a script that they read from a pipe.
 */
export async function learnTraits(worker: ShellWorker, shell: string): Promise<ShellTraits> {
  const report = await worker.run(traitsScript(worker.nextNumber, NO_PROGRAM));
  if ("exit" in report) throw new Error("The shell has ended before it was known");
  const lines = report.messages.split("\n");
  const [first, second] = lines;
  const last = lines.at(-1)!;
  const ending = last.slice(0, last.indexOf(NO_PROGRAM));
  const prefix = new RegExp(`(^|\n)${ending.replace(/[^\w\s]/g, "\\$&").replace(/\d+/g, "\\d+")}$`);
  return {
    runsPlainCommands: first === `${shell}: 1: ${NO_PROGRAM}: not found` &&
      second === `${shell}: 2: ${NO_PROGRAM}: not found`,
    isExecFailure(stderr, program) {
      const end = stderr.lastIndexOf(`${program}: `);
      return last.includes(NO_PROGRAM) && end !== -1 && prefix.test(stderr.slice(0, end));
    },
  };
}
