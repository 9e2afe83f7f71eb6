/** The interface between the pool and executors. @module */

import type { CheckedTask } from "../records/task.ts";

/** One execution of a task. */
export interface Attempt {
  /** The task to run. */
  task: CheckedTask;
  /** The id of the task, as in its result. */
  id: string;
  /** The number of the task in the run, from 1. */
  sequence: number;
  /** 1 for the first attempt of the task, 2 for its first retry. */
  number: number;
  /** The number of the slot, from 1. No two attempts run in the same slot at once. */
  slot: number;
  /**
   * The time limit, in milliseconds.
   *
   * @default no limit
   */
  timeoutMs?: number | undefined;
  /**
   * Variables to add to the environment. The `env` of the task overrides them.
   *
   * @default none
   */
  env?: Readonly<Record<string, string>> | undefined;
}

/** The captured output stream of an attempt. */
export interface Output {
  /** The output or, when `bytes` is set, its first part: as text, or as base64 when `encoding` is set. */
  text: string;
  /** Set when the output is not valid UTF-8. */
  encoding?: "base64";
  /** The size of the captured output; set when `text` is only the first part. */
  bytes?: number;
  /** The path of the file with the captured output; set when `text` is only the first part, unless writing failed. */
  file?: string;
}

/** The reason for the termination of an attempt. */
export type AttemptStop = "canceled" | "output-limit" | "timeout";

/** The worker that ran an attempt, and the slot and start time there. */
export interface AttemptPlace {
  /** The slot in the pool of the worker, from 1. */
  slot: number;
  /** The start time by the clock of the worker: ISO 8601, UTC. */
  startedAt: string;
  /** The host name and pid of the worker. */
  worker: { host: string; pid: number };
}

/** The end of an attempt, as a union on `kind`. */
export type AttemptEnding =
  | AttemptExited
  | AttemptSignaled
  | AttemptSpawnFailed
  | AttemptNoResources
  | AttemptLost
  | AttemptWithdrawn;

/** An attempt that exited. */
export interface AttemptExited {
  /** The discriminant of the union. */
  kind: "exited";
  /** The exit status, from 0 to 255. */
  status: number;
}

/** An attempt that a signal terminated. */
export interface AttemptSignaled {
  /** The discriminant of the union. */
  kind: "signaled";
  /** The name of the signal, such as `SIGKILL`. */
  signal: string;
  /** The exit status that a shell reports for the signal: 128 plus its number; `null` for a signal without a number. */
  status: number | null;
}

/** An attempt whose program, working directory or input file is unusable. Nothing ran. */
export interface AttemptSpawnFailed {
  /** The discriminant of the union. */
  kind: "spawn-failed";
  /** The exit status that a shell reports: 127 when the program was not found, else 126. */
  status: 126 | 127;
  /** The reason, as one sentence. */
  reason: string;
}

/** An attempt that cannot start because the system lacks processes, descriptors or memory. The pool tries again later. */
export interface AttemptNoResources {
  /** The discriminant of the union. */
  kind: "no-resources";
  /** The missing resource and the remedy. Follows `Cannot start any task: ` in the error of a run that gives up. */
  reason: string;
}

/** An attempt with an unknown end: the process that ran the attempt is gone or broken. */
export interface AttemptLost {
  /** The discriminant of the union. */
  kind: "lost";
  /** The reason, as one sentence. */
  reason: string;
}

/** An attempt that never began: the executor withdrew it, or the pool stopped it first. */
export interface AttemptWithdrawn {
  /** The discriminant of the union. */
  kind: "withdrawn";
}

/** The result of an attempt, with its captured output. */
export interface AttemptResult {
  /** The end of the attempt. */
  ending: AttemptEnding;
  /** The first reason for a termination, which decides the outcome. Absent when the attempt ended by itself. */
  stoppedBy?: AttemptStop | undefined;
  /** The worker that ran the attempt; absent when the attempt ran on this machine. */
  place?: AttemptPlace | undefined;
  /** The reason for missing output, as one sentence; absent when the output is complete. */
  outputError?: string | undefined;
  /** The duration of the attempt, in milliseconds. */
  durationMs: number;
  /** CPU time in user mode, in milliseconds, if available. */
  userMs?: number | undefined;
  /** CPU time in kernel mode, in milliseconds, if available. */
  systemMs?: number | undefined;
  /** The captured standard output. */
  stdout: Output;
  /** The captured standard error. */
  stderr: Output;
}

/** A started attempt. */
export interface Execution {
  /**
   * Asks the system whether the command has ended. Called when a timeout expires, because a command that has already ended
   * does not time out, even if {@linkcode Execution.ended} has not settled yet.
   *
   * @returns `undefined` when the system provides no answer.
   */
  hasEnded?(): boolean | undefined;
  /**
   * Resolves when the attempt has ended and its output is collected. Rejects only when the executor fails, never because of
   * the task.
   */
  readonly ended: Promise<AttemptResult>;
  /**
   * Terminates the attempt with its process group: sends SIGTERM, and SIGKILL to the remaining processes after
   * `killAfterMs`. A second call can bring SIGKILL forward.
   *
   * The executor reports the reason of the first call as {@linkcode AttemptResult.stoppedBy}, unless the attempt has already
   * ended by itself; `output-limit` counts even then. The class `StopCause` implements this rule.
   */
  terminate(reason: AttemptStop, killAfterMs: number): void;
  /**
   * Withdraws a queued attempt. Then the attempt never begins, and {@linkcode Execution.ended} settles at any later time.
   *
   * @returns false when the attempt has begun.
   */
  tryWithdraw?(): boolean;
}

/** Callbacks of an attempt, called after {@linkcode Executor.start} has returned. */
export interface AttemptCallbacks {
  /**
   * Called, perhaps more than once, when an output exceeds its limit. The executor discards the excess; the pool terminates
   * the attempt.
   */
  onOutputLimit: () => void;
  /**
   * Called with each piece of output, up to its limit, before the attempt ends. The bytes must stay valid. Never throws.
   * Returns a promise when further output has to wait; the promise never rejects. The executor delivers nothing more until
   * then, and bounds what it holds: it stops reading a pipe, so that the task waits, or leaves the output in a file. Absent
   * unless the run requests live output and {@linkcode Executor.reportsOutput} is true.
   */
  onOutput?: ((stream: "stdout" | "stderr", bytes: Uint8Array) => Promise<void> | undefined) | undefined;
  /**
   * Called when the command starts, or `agoMs` milliseconds later: for each attempt with a timeout, which counts from the
   * start, and for each queued attempt.
   */
  onStart: (agoMs?: number) => void;
}

/**
 * Runs attempts, at most one per slot at a time. With {@linkcode Executor.queuesAttempts}, another one may wait for each
 * slot. An executor belongs to one run.
 *
 * An error of a method, or a malformed {@linkcode AttemptResult}, ends the run with an {@linkcode ExecutorError}: no further
 * attempts start, running ones finish, and the attempt at fault has the ending `lost`.
 */
export interface Executor {
  /**
   * The default for {@linkcode PoolOptions.concurrency}.
   *
   * @default the number of CPUs that this process may use
   */
  readonly concurrency?: number | undefined;
  /**
   * True when the executor enforces timeouts itself, because the pool does not see the start of commands.
   *
   * @default {false}
   */
  readonly enforcesTimeout?: boolean | undefined;
  /**
   * True when the executor calls {@linkcode AttemptCallbacks.onStart} for each attempt with a timeout. Otherwise timeouts
   * count from {@linkcode Executor.start}.
   *
   * @default {false}
   */
  readonly reportsStart?: boolean | undefined;
  /**
   * True when the executor calls {@linkcode AttemptCallbacks.onOutput}.
   *
   * @default {false}
   */
  readonly reportsOutput?: boolean | undefined;
  /**
   * True when {@linkcode Executor.start} accepts another attempt for a slot whose attempt is running. The executor begins
   * such a queued attempt as soon as the running one has ended, and provides {@linkcode Execution.tryWithdraw}.
   *
   * @default {false}
   */
  readonly queuesAttempts?: boolean | undefined;
  /**
   * Prepares for the first attempt. A rejection ends the run before any task starts.
   *
   * @param onFailure Called when the executor can run no further attempts. The executor withdraws the unfinished ones.
   */
  open?(onFailure: (error: Error) => void): Promise<void>;
  /** Starts an attempt. */
  start(attempt: Attempt, callbacks: AttemptCallbacks): Execution;
  /** Tells the executor that no further attempts start, so that it may withdraw queued ones. Can be called repeatedly. */
  drain?(): void;
  /**
   * Deletes the output files of an attempt that was retried, or whose result the caller did not take. Receives a copy of the
   * result with the fields of {@linkcode AttemptResult}. A rejection ends the run.
   */
  discard(result: AttemptResult): Promise<void>;
  /** Releases the files and processes of the executor. Called once, when no attempt is running. */
  close(): Promise<void>;
}

/** The settings of a run for its executor. */
export interface ExecutorSettings {
  /** The shell for commands that are strings: a path, or a name to look up in `PATH`. */
  shell: string;
  /** The number of bytes of each output stream in the result. */
  maxInlineBytes: number;
  /** The maximum number of bytes that a task may write to each output stream; `Infinity` for no limit. */
  maxOutputBytes: number;
  /** The time from SIGTERM to SIGKILL, in milliseconds. */
  killAfterMs: number;
  /** The path of the directory for output that is too large for a result; `undefined` for a new temporary directory. */
  spillDir: string | undefined;
}

/** Creates executors: a value for the option `executor`, such as the return value of `natsExecutor()`. */
export interface ExecutorFactory {
  /**
   * Creates the executor of one run. Must not acquire resources before {@linkcode Executor.open}, because a pool of
   * `createPool()` that gets no task never closes its executor.
   */
  create(settings: ExecutorSettings): Executor;
  /**
   * The default concurrency of a `TaskRunner` with this executor; the same number as {@linkcode Executor.concurrency}.
   *
   * @default the number of CPUs that this process may use
   */
  readonly concurrency?: number | undefined;
  /**
   * The URL of a module that exports `executorFactory(options)`, so that another process can create the same executor.
   * Without `module`, or on Deno without `--allow-all`, a `TaskRunner` needs `{ isolate: false }`.
   */
  readonly module?: string | undefined;
  /** The options for that function, as values that JSON can represent. The other process adds `onNotice`. */
  readonly options?: object | undefined;
  /** Called with each status message of an executor in another process. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

/** Returns whether a value is an executor factory. */
export function isExecutorFactory(executor: unknown): executor is ExecutorFactory {
  return typeof executor === "object" && executor !== null && "create" in executor;
}

/** Returns the result of an attempt without output. */
export function resultWithoutOutput(ending: AttemptEnding, durationMs = 0): AttemptResult {
  return { ending, durationMs, stdout: { text: "" }, stderr: { text: "" } };
}
