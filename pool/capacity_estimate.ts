/** Interval between increases of the estimate, in milliseconds. */
const RETRY_MS = 250;
/** Time without a successful start, while no attempt runs, after which a run gives up, in milliseconds. */
const GIVE_UP_MS = 10_000;

/**
 * Estimates for how many attempts the system has processes, descriptors and memory. The estimate is infinite until a start
 * fails. It is then the number of running attempts, and grows slowly.
 */
export class CapacityEstimate {
  readonly #nowMs: () => number;
  #attempts = Infinity;
  #growsAtMs = 0;
  /** Time of the first failure since the last success, while no attempt ran. */
  #noneSinceMs: number | undefined;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** True until the system lacks resources. */
  get isUnlimited(): boolean {
    return this.#attempts === Infinity;
  }

  /** Records an attempt that had the resources it needed. */
  recordSuccess(): void {
    this.#noneSinceMs = undefined;
  }

  /**
   * Records an attempt for which the system lacked resources.
   *
   * @param running The number of other running attempts.
   * @returns false when the run should give up.
   */
  recordShortage(running: number): boolean {
    const nowMs = this.#nowMs();
    this.#attempts = Math.min(this.#attempts, running);
    this.#growsAtMs = nowMs + RETRY_MS;
    if (running > 0) return true;
    this.#noneSinceMs ??= nowMs;
    return nowMs - this.#noneSinceMs < GIVE_UP_MS;
  }

  /** Returns the time until the next check; `undefined` when another attempt may start. */
  check(running: number): { reason: "shortage"; waitMs: number } | undefined {
    if (running < this.#attempts) return undefined;
    const nowMs = this.#nowMs();
    if (nowMs < this.#growsAtMs) return { reason: "shortage", waitMs: this.#growsAtMs - nowMs };
    this.#attempts = Math.max(running + 1, Math.floor(this.#attempts * 1.1));
    this.#growsAtMs = nowMs + RETRY_MS;
    return undefined;
  }
}
