import type { ByteSink } from "../jsonl/mod.ts";
import type { Source } from "../jsonl/source.ts";
import type { RandomAccess } from "../system/random_access_file.ts";

/** The streams and signals of a command. */
export interface Io {
  /** Opens standard input. */
  readonly stdin: () => Source<Uint8Array>;
  /** Set if inputs that can be read only once are copied, so that commands can read them twice. */
  readonly copiesInput?: true;
  /** Returns the copy of standard input. The caller closes the copy. */
  readonly keepStdin?: () => RandomAccess;
  readonly stdinIsTerminal: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  /** True if standard output and standard error are the same terminal. */
  readonly outputsShareTerminal: boolean;
  /** Returns the width of the terminal of standard error now; 0 or undefined where it is unknown. */
  readonly terminalColumns: () => number | undefined;
  /** Returns whether standard input is a terminal that the command reads, so that the user types on it. */
  readonly isReadingTerminal: () => boolean;
  /** Standard output. Fails with a {@linkcode ClosedOutputError} when its reader is gone. */
  readonly stdout: ByteSink;
  /** Writes a line to standard error, with control characters escaped. Settles when the line is written or lost. */
  readonly stderr: (line: string) => Promise<void>;
  /** Standard error, for the bytes of tasks. Fails with a {@linkcode ClosedOutputError} when its reader is gone. */
  readonly stderrBytes: ByteSink;
  /** Aborted by the first SIGINT, SIGQUIT or SIGTERM, with an {@linkcode InterruptedError} as the reason. */
  readonly signal: AbortSignal;
  /** Aborted by the second such signal, with the same kind of reason. Kills the remaining tasks. */
  readonly killSignal: AbortSignal;
  /** Sets the listener for SIGHUP, SIGUSR1 and SIGUSR2. Without a listener, SIGHUP aborts `signal`. */
  readonly onRequest: (listener: (request: RunRequest) => void) => void;
}

/** Writes a line to standard error without waiting. Ignores failures, because there is no place left to report them. */
export function notify(stderr: Io["stderr"], line: string): void {
  stderr(line).catch(() => {});
}

/** A request by signal: start no more tasks, or change the concurrency by one. */
export type RunRequest = "drain" | "increase" | "decrease";

/** The reason of {@linkcode Io.signal} and {@linkcode Io.killSignal}: a signal stopped the command. */
export class InterruptedError extends Error {
  override name = "InterruptedError";
  /** The name of the signal. */
  readonly signalName: string;
  /** The status that a shell reports: 128 plus the number of the signal. */
  readonly exitStatus: number;

  constructor(signalName: string, exitStatus: number) {
    super(`Interrupted by ${signalName}`);
    this.signalName = signalName;
    this.exitStatus = exitStatus;
  }
}

/** The reader of a standard stream is gone, as after `| head`. */
export class ClosedOutputError extends Error {
  override name = "ClosedOutputError";
}
