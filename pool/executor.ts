/** The contract between the pool and what carries out an attempt. @module */

import type { CheckedTask } from "../records/task.ts";

/** One execution of a task. */
export interface Attempt {
  /** What is to be carried out. */
  task: CheckedTask;
  /** The id of the task, as it stands in the result. */
  id: string;
  /** The number of the task in the run, from 1. */
  sequence: number;
  /** 1 for the first attempt of the task, 2 for its first retry. */
  number: number;
  /** The place in the pool, from 1. No two attempts that run at the same time have the same one. */
  slot: number;
  /** The longest that it may run, in milliseconds. */
  timeoutMs?: number | undefined;
  /** Variables for its environment. Those that the task has itself go before them. */
  env?: Readonly<Record<string, string>> | undefined;
}

/** One output stream of an attempt that has ended. */
export interface Output {
  /** All that was kept of it as text or, when `bytes` is there, the first part. */
  text: string;
  /** There when the bytes are not UTF-8. */
  encoding?: "base64";
  /** The size of all that was kept, when `text` is only the first part. */
  bytes?: number;
  /** The file with all that was kept, when `text` is only the first part. Not there when it could not be written. */
  file?: string;
}

/** What can end an attempt that has not ended by itself. */
export type AttemptStop = "canceled" | "output-limit" | "timeout";

/** Where and when an attempt ran, when that was not in the pool that wanted it. */
export interface AttemptPlace {
  /** The place in the worker's own pool, from 1. */
  slot: number;
  /** When it was started, by the worker's clock: ISO 8601, UTC. */
  startedAt: string;
  /** Who ran it. */
  worker: { host: string; pid: number };
}

/** How an attempt ended, told apart by `kind`. */
export type AttemptEnding =
  | AttemptExited
  | AttemptSignaled
  | AttemptSpawnFailed
  | AttemptNoResources
  | AttemptLost
  | AttemptWithdrawn;

/** An attempt that exited. */
export interface AttemptExited {
  /** Tells this ending from the others. */
  kind: "exited";
  /** The exit status, from 0 to 255. */
  status: number;
}

/** An attempt that a signal ended. */
export interface AttemptSignaled {
  /** Tells this ending from the others. */
  kind: "signaled";
  /** The name of the signal, such as `SIGKILL`. */
  signal: string;
  /** The exit status that a shell reports for the signal: 128 plus its number; `null` for a signal without a number. */
  status: number | null;
}

/** An attempt whose program or working directory cannot be used. Nothing ran. */
export interface AttemptSpawnFailed {
  /** Tells this ending from the others. */
  kind: "spawn-failed";
  /** The exit status that a shell reports: 127 for a program that was not found, else 126. */
  status: 126 | 127;
  /** The reason, as one sentence. */
  reason: string;
}

/** An attempt that cannot start now because the system lacks processes, descriptors or memory. The pool starts it later. */
export interface AttemptNoResources {
  /** Tells this ending from the others. */
  kind: "no-resources";
  /** The missing resource and the remedy. Follows `Cannot start any task: ` in the error of a run that gives up. */
  reason: string;
}

/** An attempt whose end nobody saw: the process that ran it is gone or broken. */
export interface AttemptLost {
  /** Tells this ending from the others. */
  kind: "lost";
  /** The reason, as one sentence. */
  reason: string;
}

/** An attempt that never began: the executor withdrew it, or the pool stopped it first. */
export interface AttemptWithdrawn {
  /** Tells this ending from the others. */
  kind: "withdrawn";
}

/** The end of an attempt, with its captured output. */
export interface AttemptResult {
  /** How the attempt ended. */
  ending: AttemptEnding;
  /** The first reason for which the attempt was terminated; absent when it ended by itself. Decides the outcome. */
  stoppedBy?: AttemptStop | undefined;
  /** Where and when the attempt ran, when that was not in the pool that wanted it. */
  place?: AttemptPlace | undefined;
  /** Why some of the output is missing, as one sentence. */
  outputError?: string | undefined;
  /** How long the attempt ran, in milliseconds. */
  durationMs: number;
  /** CPU time in user mode, in milliseconds, where it is known. */
  userMs?: number | undefined;
  /** CPU time in the kernel, in milliseconds, where it is known. */
  systemMs?: number | undefined;
  /** The captured standard output. */
  stdout: Output;
  /** The captured standard error. */
  stderr: Output;
}

/** An attempt that has been started. */
export interface Execution {
  /**
   * Asks the system whether the command has ended, although {@linkcode Execution.ended} has not settled yet: an end that
   * has happened wins over a timeout.
   *
   * @returns `undefined` when the system cannot tell.
   */
  hasEnded?(): boolean | undefined;
  /**
   * Settles when everything that the attempt started is accounted for. Rejects only when the executor fails, never because
   * of what a task does.
   */
  readonly ended: Promise<AttemptResult>;
  /**
   * Ends the attempt with its whole process group: sends SIGTERM, and SIGKILL to what is left after `killAfterMs`. A second
   * call can bring SIGKILL forward.
   *
   * The executor reports the reason of the first call as {@linkcode AttemptResult.stoppedBy}, unless the attempt had ended
   * by itself before; `output-limit` counts even then. An executor decides this with a `StopCause`. When the executor
   * fails, nobody knows whether the attempt was stopped: its ending is `lost`.
   */
  terminate(reason: AttemptStop, killAfterMs: number): void;
}

/** Callbacks of an attempt, called after {@linkcode Executor.start} has returned. */
export interface AttemptCallbacks {
  /**
   * Called, perhaps more than once, when an output has become larger than what is kept of it. What comes after is thrown
   * away; it is for the caller to end the attempt.
   */
  onOutputLimit: () => void;
  /**
   * Called with the output piece by piece, up to the limit of what is kept, before the attempt has ended. The bytes must
   * stay valid. Never throws. Only there when the run wants it and the executor has {@linkcode Executor.reportsOutput}.
   */
  onOutput?: ((stream: "stdout" | "stderr", bytes: Uint8Array) => void) | undefined;
  /** Called when the command begins, or has begun some milliseconds ago: a timeout counts from then. */
  onStart: (agoMs?: number) => void;
}

/** Carries out attempts, one per slot at a time. An executor belongs to one run. */
export interface Executor {
  /** How many attempts at once suit it. Without it, as many as there are CPUs. */
  readonly concurrency?: number | undefined;
  /** Whether it ends attempts after their `timeoutMs` by itself, as only it knows when they begin to run. */
  readonly enforcesTimeout?: boolean | undefined;
  /**
   * True when it calls {@linkcode AttemptCallbacks.onStart} for each attempt that has a timeout. Else the time counts from
   * {@linkcode Executor.start}.
   */
  readonly reportsStart?: boolean | undefined;
  /** True when the executor calls {@linkcode AttemptCallbacks.onOutput}. */
  readonly reportsOutput?: boolean | undefined;
  /**
   * Makes ready for the first attempt. What it throws ends the run before anything was started.
   *
   * @param onFailure is called when no attempt can be carried out any more, and why. Those that have not ended are
   * withdrawn.
   */
  open?(onFailure: (error: Error) => void): Promise<void>;
  /** Starts an attempt. */
  start(attempt: Attempt, callbacks: AttemptCallbacks): Execution;
  /** No more attempts will be started, and those that have not begun to run need not. Can be called more than once. */
  drain?(): void;
  /** Removes the output files of an attempt whose result nobody gets: it was retried, or its result was not wanted. */
  discard(result: AttemptResult): Promise<void>;
  /** Removes the files and processes that the executor keeps for itself. Called once, when no attempt is running. */
  close(): Promise<void>;
}

/** The settings of a run that its executor needs. */
export interface ExecutorSettings {
  /** The shell for commands given as a string: a path, or a name that is looked up in `PATH`. */
  shell: string;
  /** The bytes of each output stream that a result has. */
  maxInlineBytes: number;
  /** The bytes that a task may print to each of its output streams; `Infinity` is no limit. */
  maxOutputBytes: number;
  /** The time from SIGTERM to SIGKILL, in milliseconds. */
  killAfterMs: number;
  /** The directory for output that is too large for a result. */
  spillDir: string | undefined;
}

/** Makes executors of one kind: a value for the option `executor`, as `natsExecutor()` returns it. */
export interface ExecutorFactory {
  /**
   * Makes the executor of one run. It must take nothing that needs to be closed before {@linkcode Executor.open}: a
   * `TaskRunner` makes one only to read its concurrency.
   */
  create(settings: ExecutorSettings): Executor;
  /**
   * The URL of a module that exports `executorFactory(options)`, so that another process can make the same executor. Without
   * it a `TaskRunner` needs `{ isolate: false }`; on Deno it does, too, in a program without `--allow-all`.
   */
  readonly module?: string | undefined;
  /** The options for that function, which JSON can hold. They get an `onNotice` there. */
  readonly options?: object | undefined;
  /** Called with each message for people from an executor in another process. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

/** Returns whether a value of the option `executor` is a factory. */
export function isExecutorFactory(executor: unknown): executor is ExecutorFactory {
  return typeof executor === "object" && executor !== null && "create" in executor;
}

/** Returns the result of an attempt that has no output. */
export function resultWithoutOutput(ending: AttemptEnding, durationMs = 0): AttemptResult {
  return { ending, durationMs, stdout: { text: "" }, stderr: { text: "" } };
}
