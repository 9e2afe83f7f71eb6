import type { ByteSink } from "../../jsonl/mod.ts";
import type { Progress } from "../../pool/options.ts";

/** Writes everything that a run prints, and keeps the progress apart from the rest. */
export interface Display {
  /**
   * Standard output. Beside a bar, `write()` settles when the bytes are queued, and a failure rejects a later `write()` or
   * {@linkcode flush}.
   */
  readonly stdout: ByteSink;
  /** Standard error, for the bytes that tasks have printed. Never fails beside a bar. */
  readonly stderr: ByteSink;
  /** Writes a message to standard error, on a line of its own. Settles when the message is queued or written. */
  readonly log: (line: string) => Promise<void>;
  /** Set if the display shows progress. */
  readonly showsProgress: boolean;
  /** Takes the progress to show next. */
  update(progress: Progress): void;
  /**
   * Waits until everything is written.
   *
   * @throws the error of standard output.
   */
  flush(): Promise<void>;
  /** Writes what is queued, and removes the progress from the terminal. Output can follow. Never rejects. */
  close(): Promise<void>;
}
