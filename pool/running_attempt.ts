import type { LiveOutput } from "./live_output.ts";
import type { Attempt, AttemptResult, AttemptStop, Execution, Executor } from "./executor.ts";

/**
 * The number of turns of the event loop, of a millisecond each, between the timer of an attempt and its termination where
 * the system cannot tell whether the command has ended. They let an end that has happened arrive: in a busy program, timers
 * that are due come first, and Deno sees nothing from outside in a turn without a timer.
 */
export const LATE_TURNS = 3;

/** The longest time that a command which has ended, as the system says, may take to be reported. */
const REPORT_MS = 10_000;

/** An attempt under way, with its timeout. */
export class RunningAttempt {
  /** Settles when the attempt has ended. Rejects when the executor fails. */
  readonly ended: Promise<AttemptResult>;
  readonly #execution: Execution;
  readonly #killAfterMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasEnded = false;

  /**
   * Starts an attempt.
   *
   * @param killAfterMs the time from SIGTERM to SIGKILL when it is terminated.
   * @param output receives the output while the attempt runs.
   */
  constructor(executor: Executor, attempt: Attempt, killAfterMs: number, output?: LiveOutput) {
    this.#killAfterMs = killAfterMs;
    const { timeoutMs } = attempt;
    const startTimer = (agoMs = 0) => {
      if (executor.enforcesTimeout || timeoutMs === undefined || this.#hasEnded) return;
      this.#timer ??= setTimeout(() => this.#expire(LATE_TURNS), Math.max(0, timeoutMs - agoMs));
    };
    this.#execution = executor.start(attempt, {
      onOutputLimit: () => this.terminate("output-limit"),
      onStart: startTimer,
      onOutput: output && ((stream, bytes) => output.push(stream, bytes)),
    });
    this.ended = this.#run();
    if (!executor.reportsStart) startTimer();
  }

  /** Terminates the attempt, unless it has ended. A second call can bring SIGKILL forward. */
  terminate(reason: AttemptStop, killAfterMs: number = this.#killAfterMs): void {
    this.#execution.terminate(reason, killAfterMs);
  }

  #expire(turns: number): void {
    const hasEnded = this.#execution.hasEnded?.();
    // The process that has to report the end may never do so.
    if (hasEnded) this.#timer = setTimeout(() => this.terminate("timeout"), REPORT_MS);
    else if (turns === 0 || hasEnded === false) this.terminate("timeout");
    else this.#timer = setTimeout(() => this.#expire(turns - 1), 1);
  }

  async #run(): Promise<AttemptResult> {
    try {
      return await this.#execution.ended;
    } finally {
      this.#hasEnded = true;
      clearTimeout(this.#timer);
    }
  }
}
