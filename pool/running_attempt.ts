import type { LiveOutput } from "./live_output.ts";
import type { Attempt, AttemptResult, AttemptStop, Execution, Executor } from "./executor.ts";

/**
 * The number of turns of the event loop between a timeout and the termination, for systems that do not report whether
 * the command has ended. These turns give a pending exit event time to arrive: in a busy program, timers run before
 * I/O. Each turn has a timer of a millisecond, because on Deno, a turn without a timer does not poll for I/O.
 */
export const LATE_TURNS = 3;

/** The longest wait for the report of a command that has ended according to the system. */
const REPORT_MS = 10_000;

/** Receives the events of a running attempt. */
export interface AttemptObserver {
  /** Receives the output while the attempt runs. */
  output?: LiveOutput | undefined;
  /** Called when a method of the execution fails, even after the end of the attempt. */
  onError?: ((error: unknown) => void) | undefined;
}

/** A running attempt, with its timeout. */
export class RunningAttempt {
  /** Settles when the attempt has ended. Rejects when the executor fails. */
  readonly ended: Promise<AttemptResult>;
  /** The start of the command, by `Date.now()`; `undefined` until the executor has reported it. */
  startedAtMs: number | undefined;
  readonly #execution: Execution;
  readonly #killAfterMs: number;
  readonly #onError: (error: unknown) => void;
  #reject!: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasEnded = false;
  #cannotWithdraw = false;

  /**
   * Starts an attempt.
   *
   * @param killAfterMs The time from SIGTERM to SIGKILL when the attempt is terminated.
   */
  constructor(executor: Executor, attempt: Attempt, killAfterMs: number, observer: AttemptObserver = {}) {
    this.#killAfterMs = killAfterMs;
    const { output, onError } = observer;
    this.#onError = onError ?? (() => {});
    const { timeoutMs } = attempt;
    const { enforcesTimeout, reportsStart } = executor;
    const onStart = (agoMs = 0) => {
      this.startedAtMs ??= Date.now() - agoMs;
      if (enforcesTimeout || timeoutMs === undefined || this.#hasEnded) return;
      this.#timer ??= setTimeout(() => this.#expire(LATE_TURNS), Math.max(0, timeoutMs - agoMs));
    };
    this.#execution = executor.start(attempt, {
      onOutputLimit: () => this.terminate("output-limit"),
      onStart,
      onOutput: output && ((stream, bytes) => output.push(stream, bytes)),
    });
    this.ended = new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#execution.ended.then((result) => {
        this.#end();
        resolve(result);
      }, (error) => {
        this.#end();
        reject(error);
      });
    });
    if (!reportsStart) onStart();
  }

  /**
   * Withdraws an attempt that the executor has queued.
   *
   * @returns false when the attempt has begun.
   */
  tryWithdraw(): boolean {
    if (this.#cannotWithdraw) return false;
    try {
      return this.#execution.tryWithdraw?.() === true;
    } catch (error) {
      this.#cannotWithdraw = true;
      this.#onError(error); // which may end the run, and so withdraw attempts
      return false;
    }
  }

  /** Terminates the attempt, unless it has ended. A second call can bring SIGKILL forward. */
  terminate(reason: AttemptStop, killAfterMs: number = this.#killAfterMs): void {
    this.#terminate(reason, killAfterMs).catch((error) => {
      this.#onError(error);
      // The attempt may never end. If it has ended, its result arrives first.
      setTimeout(() => {
        this.#end();
        this.#reject(error);
      });
    });
  }

  /** Rejects when the executor fails. */
  async #terminate(reason: AttemptStop, killAfterMs: number): Promise<void> {
    const returned: unknown = this.#execution.terminate(reason, killAfterMs);
    await returned; // an async method can reject, although its type is void
  }

  #expire(turns: number): void {
    const hasEnded = this.#hasCommandEnded();
    // The worker that has to report the end may be broken.
    if (hasEnded) this.#timer = setTimeout(() => this.terminate("timeout"), REPORT_MS);
    else if (turns === 0 || hasEnded === false) this.terminate("timeout");
    else this.#timer = setTimeout(() => this.#expire(turns - 1), 1);
  }

  #hasCommandEnded(): boolean | undefined {
    try {
      return this.#execution.hasEnded?.();
    } catch (error) {
      this.#onError(error);
      return undefined;
    }
  }

  #end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
  }
}
