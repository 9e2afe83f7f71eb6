import type { ByteSink } from "../jsonl/mod.ts";
import type { Source } from "../jsonl/source.ts";

/** What a command has of the world: its streams, and a signal that tells it to stop. */
export interface Io {
  /** Opened when it is first read. */
  readonly stdin: () => Source<Uint8Array>;
  readonly stdinIsTerminal: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  /** Fails with a {@linkcode ClosedOutputError} when nobody reads any more. */
  readonly stdout: ByteSink;
  /** Writes a line to standard error, in which nothing can steer a terminal. Settles when it is written, or nobody reads it. */
  readonly stderr: (line: string) => Promise<void>;
  /** Aborted by the first signal that asks to stop, with an {@linkcode InterruptedError} as its reason. */
  readonly signal: AbortSignal;
  /** Aborted by the second one: what is left is to be killed. */
  readonly killSignal: AbortSignal;
  /** Calls back for each signal that asks for something else than to stop. Without a listener SIGHUP stops, too. */
  readonly onRequest: (listener: (request: RunRequest) => void) => void;
}

/** Writes a line to standard error without waiting. Ignores failures, which could not be reported anywhere. */
export function notify(stderr: Io["stderr"], line: string): void {
  stderr(line).catch(() => {});
}

/** What a signal can ask of a run: to start nothing more, or to run one task more or fewer at once. */
export type RunRequest = "drain" | "one-more" | "one-fewer";

/** A signal asked the command to stop. */
export class InterruptedError extends Error {
  override name = "InterruptedError";
  /** As a shell gives it: 128 and the number of the signal. */
  readonly exitStatus: number;

  constructor(exitStatus: number) {
    super("Interrupted by a signal");
    this.exitStatus = exitStatus;
  }
}

/** Nobody reads the output any more, as after `| head`. */
export class ClosedOutputError extends Error {
  override name = "ClosedOutputError";
}
