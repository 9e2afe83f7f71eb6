import type { Attempt, AttemptEnd, AttemptStop, Execution, Executor } from "./executor.ts";

/**
 * How many turns of the event loop, of a millisecond each, pass between the timer of an attempt and its termination where
 * the system cannot tell whether the command has ended. In these an end that has happened is seen: when the program was busy, timers that are due come first. Deno sees nothing from
 * outside in a turn without a timer.
 */
export const LATE_TURNS = 3;

/** How long the end of a command that the system has seen may take to be reported. */
const REPORT_MS = 10_000;

/** An attempt under way, and what can end it early. */
export class RunningAttempt {
  /** Settles when it has ended, with what has ended it. */
  readonly ended: Promise<AttemptEnd>;
  /** Why it was ended, when it did not end by itself. */
  stoppedBy: AttemptStop | undefined;
  readonly #execution: Execution;
  readonly #killAfterMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasEnded = false;

  /**
   * Starts an attempt.
   *
   * @param killAfterMs how long it may take to end when it has to.
   */
  constructor(executor: Executor, attempt: Attempt, killAfterMs: number) {
    this.#killAfterMs = killAfterMs;
    const { timeoutMs } = attempt;
    const startTimer = (agoMs = 0) => {
      if (executor.keepsTime || timeoutMs === undefined || this.#hasEnded) return;
      this.#timer ??= setTimeout(() => this.#expire(LATE_TURNS), Math.max(0, timeoutMs - agoMs));
    };
    this.#execution = executor.start(attempt, {
      onOutputLimit: () => this.terminate("output-limit"),
      onStart: startTimer,
    });
    this.ended = this.#run();
    if (!executor.reportsStart) startTimer();
  }

  /** Ends it, unless it has ended. A second call can bring SIGKILL forward. */
  terminate(reason: AttemptStop, killAfterMs: number = this.#killAfterMs): void {
    const isStopped = this.#execution.terminate(killAfterMs, reason);
    // Of the output there is too much also when it has ended by itself before this was seen.
    if (isStopped || reason === "output-limit") this.stoppedBy ??= reason;
  }

  #expire(turns: number): void {
    const hasEnded = this.#execution.hasEnded?.();
    // Who has to report the end may never do it.
    if (hasEnded) this.#timer = setTimeout(() => this.terminate("timeout"), REPORT_MS);
    else if (turns === 0 || hasEnded === false) this.terminate("timeout");
    else this.#timer = setTimeout(() => this.#expire(turns - 1), 1);
  }

  async #run(): Promise<AttemptEnd> {
    try {
      const end = await this.#execution.ended;
      return this.stoppedBy ? { ...end, stoppedBy: this.stoppedBy } : end;
    } finally {
      this.#hasEnded = true;
      clearTimeout(this.#timer);
    }
  }
}
