import { CapacityEstimate } from "./capacity_estimate.ts";
import { StartLimiter, type StartLimits, type ThrottleReason } from "./start_limiter.ts";

/** Decides whether an attempt may start now, by the limits of the run and the capacity of the system. */
export class StartPolicy {
  /** The limit that delays the next start; `undefined` when no limit does. */
  throttledBy: ThrottleReason | undefined;
  readonly #capacity = new CapacityEstimate();
  readonly #limiter: StartLimiter | undefined;
  readonly #onRetry: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param onRetry Called when it is time to call {@linkcode allows} again.
   * @throws `Error` when a limit of load or memory is set, but the system does not report its load or memory.
   */
  constructor(limits: StartLimits | undefined, onRetry: () => void) {
    this.#limiter = limits && new StartLimiter(limits);
    this.#onRetry = onRetry;
  }

  /** True when no limit can delay a start. */
  get isUnlimited(): boolean {
    return this.#limiter === undefined && this.#capacity.isUnlimited;
  }

  /** Returns whether another attempt may start beside `running` others. If not, schedules a call of `onRetry`. */
  allows(running: number): boolean {
    const hold = this.#capacity.check(running) ?? this.#limiter?.check(running);
    clearTimeout(this.#timer);
    if (hold) this.#timer = setTimeout(this.#onRetry, hold.waitMs);
    this.throttledBy = hold?.reason;
    return hold === undefined;
  }

  /** Records a start. */
  recordStart(): void {
    this.#limiter?.recordStart();
  }

  /** Records an attempt that had the resources it needed. */
  recordSuccess(): void {
    this.#capacity.recordSuccess();
  }

  /**
   * Records an attempt for which the system lacked resources.
   *
   * @returns false when the run should give up.
   */
  recordShortage(running: number): boolean {
    return this.#capacity.recordShortage(running);
  }

  /** Clears the limit when no attempt waits to start. */
  release(): void {
    this.throttledBy = undefined;
  }

  /** Cancels the scheduled call of `onRetry`. */
  close(): void {
    clearTimeout(this.#timer);
  }
}
