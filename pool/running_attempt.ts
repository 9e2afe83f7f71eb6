import type { LiveOutput } from "./live_output.ts";
import type { Attempt, AttemptResult, AttemptStop, Execution, Executor } from "./executor.ts";

/**
 * The number of turns of the event loop between a timeout and the termination, for systems that do not report whether the
 * command has ended. They give a pending exit event the time to arrive: in a busy program, timers run before I/O. Each turn
 * has a timer of a millisecond, because on Deno, a turn without a timer does not poll for I/O.
 */
export const LATE_TURNS = 3;

/** The longest wait for the report of a command that has ended according to the system. */
const REPORT_MS = 10_000;

/** A running attempt, with its timeout. */
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
   * @param killAfterMs The time from SIGTERM to SIGKILL when the attempt is terminated.
   * @param output Receives the output while the attempt runs.
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
    // The worker that has to report the end may be broken.
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
