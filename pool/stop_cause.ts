import type { AttemptResult, AttemptStop } from "./executor.ts";

/** Decides why an attempt was stopped. All executors use it, so that all of them decide alike. */
export class StopCause {
  #cause: AttemptStop | undefined;
  #hasEnded = false;

  /** The reason that counts; `undefined` when the attempt ended, or still may end, by itself. */
  get cause(): AttemptStop | undefined {
    return this.#cause;
  }

  /** Records that the pool terminates the attempt. The first reason stands. */
  request(reason: AttemptStop): void {
    // Output may turn out to be too large only after its command has ended.
    if (!this.#hasEnded || reason === "output-limit") this.#cause ??= reason;
  }

  /** Records that the attempt has ended, which no later termination can have caused. */
  end(): void {
    this.#hasEnded = true;
  }

  /** Returns the result with the reason that counts. */
  applyTo(result: AttemptResult): AttemptResult {
    return this.#cause === undefined ? result : { ...result, stoppedBy: this.#cause };
  }
}
