import type { AttemptResult, AttemptStop } from "./executor.ts";

/** Determines why an attempt was stopped. Shared by all executors, so that they follow the same rule. */
export class StopCause {
  #cause: AttemptStop | undefined;
  #hasEnded = false;

  /** The first reason; `undefined` when nothing has stopped the attempt. */
  get cause(): AttemptStop | undefined {
    return this.#cause;
  }

  /** Records a termination. */
  request(reason: AttemptStop): void {
    // Output above the limit may be found only after the command has ended.
    if (!this.#hasEnded || reason === "output-limit") this.#cause ??= reason;
  }

  /** Records the end of the attempt, which a later termination cannot have caused. */
  end(): void {
    this.#hasEnded = true;
  }

  /** Returns the result with the first reason. */
  applyTo(result: AttemptResult): AttemptResult {
    return this.#cause === undefined ? result : { ...result, stoppedBy: this.#cause };
  }
}
