/**
 * The command line tool.
 *
 * @example
 * ```sh
 * echo '{"cmd":"echo hi"}' | deno run -A jsr:@x/taskrunner
 * ```
 *
 * @module
 */

import { fstatSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";
import { setFlagsFromString } from "node:v8";
import { ClosedOutputError, InterruptedError, type Io } from "./cli/io.ts";
import { main } from "./cli/main.ts";
import type { Source } from "./internal/source.ts";
import { systemCode, systemReason } from "./internal/system_error.ts";

/** The signals that ask to stop, with the status that a shell gives for each. */
const EXIT_BY_SIGNAL = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 } as const;
/** How long the results may take to be written after a second signal. */
const LEAVE_AFTER_MS = 1_000;

/** Runs the command with the arguments and streams of this process, and ends the process with its exit status. */
export async function runCommandLine(): Promise<never> {
  // V8 would let garbage grow with the memory of the machine, which belongs to the tasks. Others pass over the flag.
  setFlagsFromString("--optimize-for-size");
  const stop = new AbortController();
  const kill = new AbortController();
  for (const [signal, status] of Object.entries(EXIT_BY_SIGNAL)) {
    process.on(signal, () => {
      if (!stop.signal.aborted) return stop.abort(new InterruptedError(status));
      kill.abort();
      setTimeout(() => process.exit(status), LEAVE_AFTER_MS); // also when nobody takes the results
    });
  }
  // Without a listener a closed standard output or error would end the process with a stack trace.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  const io: Io = {
    stdin: openStdin,
    stdinIsTerminal: isatty(0),
    stdout: { write: writeToStdout },
    stderr: (line) => new Promise((resolve) => process.stderr.write(`${line}\n`, () => resolve())),
    signal: stop.signal,
    killSignal: kill.signal,
  };
  process.exit(await main(process.argv.slice(2), io));
}

/** Some runtimes read a directory as if it were an empty file. */
function openStdin(): Source<Uint8Array> {
  let isDirectory = false;
  try {
    isDirectory = fstatSync(0).isDirectory();
  } catch {
    // closed, which reads as empty
  }
  if (isDirectory) throw Object.assign(new Error("Standard input is a directory"), { code: "EISDIR" });
  return process.stdin;
}

function writeToStdout(bytes: Uint8Array): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    process.stdout.write(bytes, (error) => error ? reject(error) : resolve());
  }).catch((error) => {
    if (systemCode(error) === "EPIPE") throw new ClosedOutputError();
    throw new Error(`Cannot write results to standard output: ${systemReason(error)}`, { cause: error });
  });
}

// Node before 24.2 has no import.meta.main.
if (import.meta.main ?? process.argv[1] === import.meta.filename) runCommandLine();
