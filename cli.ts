/**
 * The command line tool. Run it; or import {@linkcode main} to run the same command in a process of your own.
 *
 * @example
 * ```sh
 * echo '{"cmd":"echo hi"}' | deno run -A jsr:@x/taskrunner
 * ```
 *
 * @module
 */

import process from "node:process";
import { isatty } from "node:tty";
import { setFlagsFromString } from "node:v8";
import { ClosedOutputError, InterruptedError, type Io } from "./cli/io.ts";
import { main } from "./cli/main.ts";
import { systemReason } from "./internal/system_error.ts";

const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;

/** Runs the command with the arguments and streams of this process, and ends the process with its exit status. */
export async function runCommandLine(): Promise<never> {
  // V8 would let garbage grow with the memory of the machine, which belongs to the tasks. Others pass over the flag.
  setFlagsFromString("--optimize-for-size");
  const stop = new AbortController();
  for (const [signal, status] of Object.entries(EXIT_BY_SIGNAL)) {
    process.on(signal, () => stop.abort(new InterruptedError(status)));
  }
  // Without a listener a closed standard output or error would end the process with a stack trace.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  const io: Io = {
    stdin: () => process.stdin,
    stdinIsTerminal: isatty(0),
    stdout: { write: writeToStdout },
    stderr: (line) => process.stderr.write(`${line}\n`),
    signal: stop.signal,
  };
  process.exit(await main(process.argv.slice(2), io));
}

function writeToStdout(bytes: Uint8Array): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    process.stdout.write(bytes, (error) => error ? reject(error) : resolve());
  }).catch((error) => {
    if (error.code === "EPIPE") throw new ClosedOutputError();
    throw new Error(`Cannot write results to standard output: ${systemReason(error)}`, { cause: error });
  });
}

// Node before 24.2 has no import.meta.main.
if (import.meta.main ?? process.argv[1] === import.meta.filename) runCommandLine();
