import { CapacityEstimate } from "./capacity_estimate.ts";
import { StartLimiter, type StartLimits, type ThrottleReason } from "./start_limiter.ts";

/** Decides whether an attempt may start now: by the limits of the run, and by what the system can bear. */
export class StartPolicy {
  /** The limit that holds back the next start; `undefined` when none does. */
  throttledBy: ThrottleReason | undefined;
  readonly #capacity = new CapacityEstimate();
  readonly #limiter: StartLimiter | undefined;
  readonly #onRetry: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param onRetry Called when it is time to ask again.
   * @throws `Error` when the load or the free memory is to be respected and cannot be read.
   */
  constructor(limits: StartLimits | undefined, onRetry: () => void) {
    this.#limiter = limits && new StartLimiter(limits);
    this.#onRetry = onRetry;
  }

  /** Returns true when another attempt may start beside `running` others. Otherwise `onRetry` is called later. */
  allows(running: number): boolean {
    const hold = this.#capacity.check(running) ?? this.#limiter?.check(running);
    clearTimeout(this.#timer);
    if (hold) this.#timer = setTimeout(this.#onRetry, hold.waitMs);
    this.throttledBy = hold?.reason;
    return hold === undefined;
  }

  /** Records that an attempt has been handed to the executor. */
  recordStart(): void {
    this.#limiter?.recordStart();
  }

  /** Records that the system had enough for an attempt. */
  recordSuccess(): void {
    this.#capacity.recordSuccess();
  }

  /**
   * Records that the system had too little for an attempt.
   *
   * @returns false when waiting longer is of no use.
   */
  recordShortage(running: number): boolean {
    return this.#capacity.recordShortage(running);
  }

  /** Forgets the hold, when nothing is left to start. */
  release(): void {
    this.throttledBy = undefined;
  }

  /** Stops the timer. */
  close(): void {
    clearTimeout(this.#timer);
  }
}
