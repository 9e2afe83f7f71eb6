/** How soon it is tried whether there is enough for one attempt more. */
const RETRY_MS = 250;
/** How long it is tried when nothing runs whose end would help. */
const GIVE_UP_MS = 10_000;

/**
 * For how many attempts there are processes, descriptors and memory enough. That is known only when there are too few:
 * then no more are started than have found room, and a few more from time to time.
 */
export class CapacityEstimate {
  readonly #nowMs: () => number;
  #attempts = Infinity;
  #growsAtMs = 0;
  /** When an attempt could not be started first, while nothing ran. */
  #noneSinceMs: number | undefined;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Says that an attempt could be started. */
  found(): void {
    this.#noneSinceMs = undefined;
  }

  /**
   * Says that the system could not start an attempt.
   *
   * @param running how many others run.
   * @returns whether it is worth another try.
   */
  lacked(running: number): boolean {
    const nowMs = this.#nowMs();
    this.#attempts = Math.min(this.#attempts, running);
    this.#growsAtMs = nowMs + RETRY_MS;
    if (running > 0) return true;
    this.#noneSinceMs ??= nowMs;
    return nowMs - this.#noneSinceMs < GIVE_UP_MS;
  }

  /** When to ask again; `undefined` when there may be room for one more. */
  check(running: number): { reason: "shortage"; waitMs: number } | undefined {
    if (running < this.#attempts) return undefined;
    const nowMs = this.#nowMs();
    if (nowMs < this.#growsAtMs) return { reason: "shortage", waitMs: this.#growsAtMs - nowMs };
    this.#attempts = Math.max(running + 1, Math.floor(this.#attempts * 1.1));
    this.#growsAtMs = nowMs + RETRY_MS;
    return undefined;
  }
}
