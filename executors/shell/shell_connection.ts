/** The interface between a shell worker and the process of its shell. @module */

import type { ExitStatus } from "../../spawn_adapters/types.ts";
import type { Output } from "../../pool/executor.ts";

/** The paths of the outputs of a script. */
export interface OutputPaths {
  stdout: string;
  /** Empty when there is no file for standard error. */
  stderr: string;
}

/** The duration of a script and its outputs, which the router adds to the report. */
export interface RoutedEnd {
  /** The time since the script began: when the shell got the script, or when it reported the previous one. */
  durationMs: number;
  /** The outputs; `undefined` for one that is in its file. */
  stdout: Output | undefined;
  stderr: Output | undefined;
}

/** The report that a shell writes at the end of a script. */
export interface ExpectedReport {
  number: number;
  /** The outputs to read, if that is possible, when the report arrives. */
  outputs?: OutputPaths | undefined;
}

/** Takes what a shell prints on its channel. */
export interface ShellListener {
  /**
   * @param bytes Valid during the call.
   * @param end The additions of the router to the report at the end of the bytes.
   */
  onBytes(bytes: Uint8Array, end?: RoutedEnd): void;
  /** Called when the channel has ended and the shell has exited. */
  onEnd(exit: ExitStatus): void;
  /** Called when the channel cannot be read. */
  onError(error: unknown): void;
}

/** The process of a shell, its standard input, and the channel on which it reports. */
export interface ShellConnection {
  /** The id of the process and of its group. */
  readonly pid: number;
  /** True for a child of the launcher. */
  readonly isRouted: boolean;
  /** Settles when the shell has exited, perhaps before the end of the channel. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** Sets the receiver of the channel. Must be called once, in the turn in which the connection was created. */
  listen(listener: ShellListener): void;
  /**
   * Writes to standard input.
   *
   * @param report The report at the end of the data, if there is one.
   */
  write(data: string | Uint8Array, report?: ExpectedReport): void;
  /**
   * Notes that the runner has read the report of a script, and will not withdraw it.
   *
   * @param isIdle True when no other script is running.
   */
  settle(number: number, isIdle: boolean): void;
  /** Closes standard input once everything is written. */
  closeInput(): void;
  /** Stops reading the channel. */
  cancel(): void;
}
