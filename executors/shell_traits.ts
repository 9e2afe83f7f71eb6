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

/** Programs that cannot be there. Some shells say it in another way when the name is a path. */
const NO_PROGRAM = "/dev/null/x";
const NO_NAME = "taskrunner-no-such-program";

/**
 * Finds out by trying. Rejects when the worker dies of it. The only shell so far whose messages stay the same is dash,
 * which is the `sh` of Debian and Ubuntu: others count lines differently in a script that they read from a pipe.
 */
export async function learnTraits(worker: ShellWorker, shell: string): Promise<ShellTraits> {
  const report = await worker.run(traitsScript(worker.nextNumber, NO_PROGRAM, NO_NAME));
  if ("exit" in report) throw new Error("The shell has ended before it was known");
  const [first, second, ...others] = report.messages.split("\n");
  const prefixes = others.flatMap((line) =>
    [NO_PROGRAM, NO_NAME].filter((program) => line.includes(program)).map((program) =>
      escapeRegExp(line.slice(0, line.indexOf(program))).replace(/\d+/g, "\\d+")
    )
  );
  return {
    runsPlainCommands: first === `${shell}: 1: ${NO_PROGRAM}: not found` &&
      second === `${shell}: 2: ${NO_PROGRAM}: not found`,
    isExecFailure(stderr, program) {
      if (prefixes.length === 0) return false;
      const found = `[^\n]*/${escapeRegExp(program.slice(program.lastIndexOf("/") + 1))}`; // as bash names it
      return new RegExp(`^(?:${prefixes.join("|")})(?:${escapeRegExp(program)}|${found}): `).test(stderr);
    },
  };
}

function escapeRegExp(text: string): string {
  return text.replace(/[^\w\s]/g, "\\$&");
}
