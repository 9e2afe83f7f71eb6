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

import { fstatSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";
import { setFlagsFromString } from "node:v8";
import { keepDebuggerClosed } from "./cli/closed_debugger.ts";
import { EXIT_ERROR, EXIT_HANGUP } from "./cli/exit_status.ts";
import { ClosedOutputError, InterruptedError, type Io, type RunRequest } from "./cli/io.ts";
import { main } from "./cli/main.ts";
import { isPermitted } from "./system/deno_permissions.ts";
import { isEntryPoint } from "./system/entry_point.ts";
import { printable } from "./text/excerpt.ts";
import type { Source } from "./jsonl/source.ts";
import { writeStderr, writeStdout } from "./system/standard_streams.ts";
import { systemCode, systemReason } from "./system/system_error.ts";

/** The signals that ask to stop, with the status that a shell gives for each. */
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 } as const;
/** As xargs has them. */
const REQUEST_BY_SIGNAL = { SIGUSR1: "one-more", SIGUSR2: "one-fewer" } as const;
/** The time after a second signal for killed tasks to end and for results to be written. A third ends the command at once. */
const LEAVE_AFTER_MS = 10_000;

/** Runs the command with the arguments and streams of this process, and ends the process with its exit status. */
export async function runCommandLine(): Promise<never> {
  // Until the real status is known: a promise that never settles must not look like success.
  process.exitCode = EXIT_ERROR;
  // V8 would let garbage grow with the memory of the machine, which belongs to the tasks. Others pass over the flag.
  setFlagsFromString("--optimize-for-size");
  const ignoresHangup = isRunUnderNohup(); // asked first: Deno catches it along with any other signal
  const stop = new AbortController();
  const kill = new AbortController();
  let listener: ((request: RunRequest) => void) | undefined;
  for (const [signal, status] of Object.entries(EXIT_BY_SIGNAL)) {
    process.on(signal, () => {
      if (!stop.signal.aborted) return stop.abort(new InterruptedError(status));
      if (kill.signal.aborted) process.exit(status);
      kill.abort();
      setTimeout(() => process.exit(status), LEAVE_AFTER_MS); // also when nobody takes the results
    });
  }
  for (const [signal, request] of Object.entries(REQUEST_BY_SIGNAL)) process.on(signal, () => listener?.(request));
  keepDebuggerClosed();
  process.on("SIGHUP", () => {
    if (ignoresHangup) return;
    if (listener) listener("drain");
    else stop.abort(new InterruptedError(EXIT_HANGUP));
  });
  // Deno would end at a file that grows beyond `ulimit -f`. With a listener the write fails, as it does in the others.
  process.on("SIGXFSZ", () => {});
  // Without a listener a closed standard output or error would end the process with a stack trace.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  const io: Io = {
    stdin: openStdin,
    stdinIsTerminal: isatty(0),
    stdoutIsTerminal: isatty(1),
    stderrIsTerminal: isatty(2),
    stdout: { write: writeToStdout },
    stderr: (line) => writeStderr(`${printable(line)}\n`),
    signal: stop.signal,
    killSignal: kill.signal,
    onRequest: (run) => listener = run,
  };
  const status = await main(process.argv.slice(2), io);
  await writeStderr(""); // notices that nobody has waited for are written, too
  process.exit(status);
}

/** Whether SIGHUP is to be ignored. */
function isRunUnderNohup(): boolean {
  const status = "/proc/self/status";
  try {
    if (!isPermitted({ name: "read", path: status })) return false;
    const isIgnored = /^SigIgn:.*[13579bdf]$/m.test(readFileSync(status, "latin1"));
    if (isIgnored || "Deno" in globalThis) return isIgnored;
    // Node has forgotten what was ignored. It is left to nohup's standard input, which can only be written to.
    const isWriteOnly = /^flags:\s*\d*1$/m.test(readFileSync("/proc/self/fdinfo/0", "latin1"));
    return isWriteOnly && readlinkSync("/proc/self/fd/0") === "/dev/null";
  } catch {
    return false; // there is no /proc
  }
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
  return writeStdout(bytes).catch((error) => {
    if (systemCode(error) === "EPIPE") throw new ClosedOutputError();
    throw new Error(`Cannot write to standard output: ${systemReason(error)}`, { cause: error });
  });
}

/** Ends the process after an internal error, with a status that cannot be taken for a number of failed tasks. */
function failCommand(error: unknown): void {
  console.error(error);
  process.exit(EXIT_ERROR);
}

if (isEntryPoint(import.meta)) runCommandLine().catch(failCommand);
