import type { Attempt, AttemptEnd, AttemptStop, Execution, Executor } from "./executors/mod.ts";

/** An attempt under way, and what can end it early. */
export class RunningAttempt {
  /** Settles when it has ended, with what has ended it. */
  readonly ended: Promise<AttemptEnd>;
  /** Why it was ended, when it did not end by itself. */
  stoppedBy: AttemptStop | undefined;
  readonly #execution: Execution;
  readonly #killAfterMs: number;

  /**
   * Starts an attempt.
   *
   * @param killAfterMs how long it may take to end when it has to.
   */
  constructor(executor: Executor, attempt: Attempt, killAfterMs: number) {
    this.#killAfterMs = killAfterMs;
    this.#execution = executor.start(attempt, () => this.terminate("output-limit"));
    this.ended = this.#run(executor.keepsTime ? undefined : attempt.timeoutMs);
  }

  /** Ends it, unless it has ended. A second call can bring SIGKILL forward. */
  terminate(reason: AttemptStop, killAfterMs: number = this.#killAfterMs): void {
    const isStopped = this.#execution.terminate(killAfterMs, reason);
    // Of the output there is too much also when it has ended by itself before this was seen.
    if (isStopped || reason === "output-limit") this.stoppedBy ??= reason;
  }

  async #run(timeoutMs: number | undefined): Promise<AttemptEnd> {
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.terminate("timeout"), timeoutMs);
    try {
      const end = await this.#execution.ended;
      return this.stoppedBy ? { ...end, stoppedBy: this.stoppedBy } : end;
    } finally {
      clearTimeout(timer);
    }
  }
}
