import { fstatSync, readFileSync, readlinkSync, statSync } from "node:fs";
import process from "node:process";
import type { Source } from "../jsonl/source.ts";
import { isPermitted } from "../system/deno_permissions.ts";
import { writeStderr, writeStderrBytes, writeStdout } from "../system/standard_streams.ts";
import { systemCode, systemReason } from "../system/system_error.ts";
import { isTerminal } from "../system/terminal.ts";
import { printable } from "../text/excerpt.ts";
import { keepDebuggerClosed } from "./closed_debugger.ts";
import { EXIT_HANGUP } from "./exit_status.ts";
import { ClosedOutputError, InterruptedError, type Io, type RunRequest } from "./io.ts";

/** Signals that stop the command, with the exit status that a shell reports for each. */
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 } as const;
/** Signals that change the concurrency, as in xargs. */
const REQUEST_BY_SIGNAL = { SIGUSR1: "increase", SIGUSR2: "decrease" } as const;
/** Time after a second signal for killed tasks to end and for results to be written. A third signal exits at once. */
const EXIT_AFTER_MS = 10_000;

/** Returns the streams and signals of this process. Installs handlers for the signals. */
export function processIo(): Io {
  const ignoresHangup = isRunUnderNohup(); // before the handlers, because Deno handles SIGHUP along with any other signal
  const stop = new AbortController();
  const kill = new AbortController();
  let listener: ((request: RunRequest) => void) | undefined;
  for (const [signal, status] of Object.entries(EXIT_BY_SIGNAL)) {
    process.on(signal, () => {
      if (!stop.signal.aborted) return stop.abort(new InterruptedError(signal, status));
      if (kill.signal.aborted) process.exit(status);
      kill.abort(new InterruptedError(signal, status));
      setTimeout(() => process.exit(status), EXIT_AFTER_MS); // also when nobody reads the results
    });
  }
  for (const [signal, request] of Object.entries(REQUEST_BY_SIGNAL)) process.on(signal, () => listener?.(request));
  keepDebuggerClosed();
  process.on("SIGHUP", () => {
    if (ignoresHangup) return;
    if (listener) listener("drain");
    else stop.abort(new InterruptedError("SIGHUP", EXIT_HANGUP));
  });
  // Deno would exit when a file exceeds `ulimit -f`. With a listener the write fails, as on the other runtimes.
  process.on("SIGXFSZ", () => {});
  const stdinIsTerminal = isTerminal(0);
  let hasOpenedStdin = false;
  return {
    stdin: () => {
      hasOpenedStdin = true;
      return openStdin();
    },
    stdinIsTerminal,
    stdoutIsTerminal: isTerminal(1),
    stderrIsTerminal: isTerminal(2),
    outputsShareTerminal: isTerminal(1) && isTerminal(2) && isSameDevice(1, 2),
    terminalColumns: () => process.stderr.columns,
    isReadingTerminal: () => stdinIsTerminal && hasOpenedStdin && !process.stdin.readableEnded,
    stdout: { write: (bytes) => checked(writeStdout(bytes), "standard output") },
    stderr: (line) => writeStderr(`${printable(line)}\n`),
    stderrBytes: { write: (bytes) => checked(writeStderrBytes(bytes), "standard error") },
    signal: stop.signal,
    killSignal: kill.signal,
    onRequest: (run) => listener = run,
  };
}

/** The terminal of a process, under another device number. */
const DEV_TTY = "/dev/tty";

/** Returns whether two terminals are, as far as known, the same. */
function isSameDevice(one: number, other: number): boolean {
  try {
    const [device, otherDevice] = [fstatSync(one).rdev, fstatSync(other).rdev];
    if (device === otherDevice || !isPermitted({ name: "read", path: DEV_TTY })) return true;
    return [device, otherDevice].includes(statSync(DEV_TTY).rdev);
  } catch {
    return true; // Deno does not permit the question
  }
}

/** Returns whether SIGHUP was ignored when the process started, as nohup arranges. */
function isRunUnderNohup(): boolean {
  const status = "/proc/self/status";
  try {
    if (!isPermitted({ name: "read", path: status })) return false;
    const isIgnored = /^SigIgn:.*[13579bdf]$/m.test(readFileSync(status, "latin1"));
    if (isIgnored || "Deno" in globalThis) return isIgnored;
    // Node resets ignored signals at its start. nohup also makes a terminal's standard input write-only.
    const isWriteOnly = /^flags:\s*\d*1$/m.test(readFileSync("/proc/self/fdinfo/0", "latin1"));
    return isWriteOnly && readlinkSync("/proc/self/fd/0") === "/dev/null";
  } catch {
    return false; // there is no /proc
  }
}

/** Opens standard input. Throws for a directory, which some runtimes read as an empty file. */
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

function checked(written: Promise<void>, name: string): Promise<void> {
  return written.catch((error) => {
    if (systemCode(error) === "EPIPE") throw new ClosedOutputError();
    throw new Error(`Cannot write to ${name}: ${systemReason(error)}`, { cause: error });
  });
}
