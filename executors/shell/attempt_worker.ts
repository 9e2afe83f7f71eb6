/** A long-lived process that runs the attempts of a slot. @module */

import type { ExitStatus } from "../../spawn_adapters/types.ts";
import type { WorkerDirectory } from "./scratch_directory.ts";

/** The end of a worker, or a violation of its protocol, during an attempt. */
export interface WorkerExit {
  /** The exit status of the worker; `undefined` after a violation. */
  exit: ExitStatus | undefined;
  /** The reason for which the runner killed the worker. */
  reason?: string;
}

/** Callbacks of one run. */
export interface RunCallbacks {
  /** Called when the command begins, with the uptime of Linux where the worker can read it. */
  onBegin?: ((uptimeMs: number | undefined) => void) | undefined;
  /** Called when the previous run has reported, if there is one: from then on, the worker performs this run. */
  onTurn?: (() => void) | undefined;
}

/** The time for a retired worker to exit, before SIGCONT and again before SIGKILL. */
const RETIREMENT_MS = 2_000;
/** The limit of a report with its outputs. */
export const REPORT_BYTES = 4096;
/** Interval of SIGCONT to a busy worker: a task may have stopped its worker, as with `kill -STOP $PPID`. */
export const WAKE_MS = 1_000;

/** A run without a report. */
interface PendingRun<Report> extends RunCallbacks {
  resolve: (outcome: Report | WorkerExit) => void;
}

/**
 * A process that performs one run after another, and leads the process group of the commands. Subclasses exchange the
 * messages.
 */
export abstract class AttemptWorker<Report> {
  /** The id of the process and of its group. */
  abstract readonly pid: number;
  /** True when the process stands for the shell of an attempt: the programs of the attempt are its own children. */
  abstract readonly isShellOfAttempt: boolean;
  readonly directory: WorkerDirectory;
  #isRetired = false;
  #hasEnded = false;
  /** Set once further reports are ignored. */
  #exit: WorkerExit | undefined;
  #number = 0;
  /** The time since which the worker owes a report or its exit, by `performance.now()`. */
  #busySinceMs = Infinity;
  #retirementTimer: ReturnType<typeof setTimeout> | undefined;
  /** The runs without a report, in order. */
  readonly #pending: PendingRun<Report>[] = [];
  #onIdle: (() => void) | undefined;
  /** The number of attempts that use the directory: the outputs of one remain there after its report. */
  #users = 0;

  constructor(directory: WorkerDirectory) {
    this.directory = directory;
  }

  /** True when the worker can perform another run. */
  get isUsable(): boolean {
    return !this.#isRetired && !this.#hasEnded && this.#exit === undefined;
  }

  /** True while a run has no report. */
  get isBusy(): boolean {
    return this.#pending.length > 0;
  }

  /** The number of runs without a report. */
  protected get pendingRuns(): number {
    return this.#pending.length;
  }

  /**
   * True when another run can wait behind one without a report. At most one run waits: the output file of a run keeps its
   * name, which shows the runner that the run has begun, until the runner sends the run after the next one.
   */
  get canQueue(): boolean {
    return this.isUsable && this.#pending.length === 1;
  }

  /** The number that the next run must report. */
  get nextNumber(): number {
    return this.#number + 1;
  }

  /** True when reports no longer count. */
  protected get isExiting(): boolean {
    return this.#exit !== undefined;
  }

  protected get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Notes that an attempt uses the directory, until {@linkcode release}. */
  hold(): void {
    this.#users++;
  }

  /** Ends the use of the directory by an attempt. */
  release(): void {
    this.#users--;
    this.#noteIdle();
  }

  /** Calls a function once every run has a report and no attempt uses the directory, perhaps immediately. */
  whenIdle(callback: () => void): void {
    this.#onIdle = callback;
    this.#noteIdle();
  }

  /** Asks the worker to exit after its last run, and kills the worker if it does not. */
  retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#busySinceMs = performance.now();
    this.requestExit();
    if (!this.isBusy) this.awaitExit();
  }

  /** Kills a retired worker that does not exit soon. Must not be called while a task runs. */
  awaitExit(): void {
    if (this.#hasEnded) return;
    this.#retirementTimer ??= setTimeout(() => {
      this.signal("SIGCONT");
      this.#retirementTimer = setTimeout(() => this.signal("SIGKILL"), RETIREMENT_MS);
    }, RETIREMENT_MS);
  }

  /**
   * Kills the worker and ignores its reports. The caller must terminate the processes of the task. Pending runs settle
   * when the worker has ended, so that an earlier report of the start still counts.
   */
  kill(reason: string): void {
    if (this.#exit) return;
    this.#exit = { exit: undefined, reason };
    this.#isRetired = true;
    this.signal("SIGKILL");
  }

  /** Sends SIGCONT to the worker if its report or exit is overdue. Returns whether it is overdue. */
  wake(): boolean {
    const isOverdue = performance.now() - this.#busySinceMs > WAKE_MS;
    if (isOverdue) this.signal("SIGCONT");
    return isOverdue;
  }

  /** Makes the worker exit after its last run. */
  protected abstract requestExit(): void;

  /** Signals the worker, unless it has ended. */
  protected abstract signal(signal: "SIGCONT" | "SIGKILL"): void;

  /**
   * Adds a run, for which `send` sends the message.
   *
   * @returns the report, or the end of the worker.
   */
  protected addRun(callbacks: RunCallbacks, send: (number: number) => void): Promise<Report | WorkerExit> {
    if (this.#exit) return Promise.resolve(this.#exit);
    this.#number++;
    if (!this.isBusy) this.#busySinceMs = performance.now();
    send(this.#number);
    return new Promise((resolve) => this.#pending.push({ ...callbacks, resolve }));
  }

  /** Passes the start of a command on to the first run. */
  protected begin(uptimeMs: number | undefined): void {
    this.#pending[0]?.onBegin?.(uptimeMs);
  }

  /**
   * Passes a report on to its run.
   *
   * @param continues False when the worker does not perform the next run.
   */
  protected settle(report: Report, continues = true): void {
    this.#pending.shift()?.resolve(report);
    const next = this.#pending[0];
    if (!next) return this.#becomeIdle();
    this.#busySinceMs = performance.now();
    if (continues) next.onTurn?.();
  }

  /** Notes that the process has ended. */
  protected recordEnd(): void {
    clearTimeout(this.#retirementTimer);
    this.#hasEnded = true;
  }

  /** Settles all runs when no more reports can arrive. */
  protected settleAll(exit: ExitStatus): void {
    const outcome = this.#exit ??= { exit };
    for (const { resolve } of this.#pending.splice(0)) resolve(outcome);
    this.#becomeIdle();
  }

  #becomeIdle(): void {
    if (this.#isRetired) this.awaitExit();
    else this.#busySinceMs = Infinity;
    this.#noteIdle();
  }

  #noteIdle(): void {
    if (this.isBusy || this.#users > 0) return;
    const onIdle = this.#onIdle;
    this.#onIdle = undefined;
    onIdle?.();
  }
}
