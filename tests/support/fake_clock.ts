/** Replaces time and randomness, so that tests control them. */

const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;
const realNow = performance.now;
const realRandom = Math.random;

/** A pending timer. */
interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** Waits until all pending microtasks and immediate callbacks have run. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * Replaces `setTimeout`, `clearTimeout`, `performance.now` and `Math.random` while a function runs. The mock timers of
 * `node:test` do not mock `performance.now`.
 */
export class FakeClock {
  nowMs = 0;
  readonly #timers = new Map<number, Timer>();
  readonly #random: () => number;
  #lastId = 0;

  /** @param random Replacement of `Math.random`. */
  constructor(random: () => number = () => 0) {
    this.#random = random;
  }

  /** The number of pending timers. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Calls a function with this clock installed. */
  async during<T>(use: () => Promise<T>): Promise<T> {
    this.#install();
    try {
      return await use();
    } finally {
      this.#uninstall();
    }
  }

  #install(): void {
    // Like the runtimes: whole milliseconds, at least 1.
    globalThis.setTimeout = ((callback: () => void, delayMs = 0) => {
      this.#timers.set(++this.#lastId, { dueMs: this.nowMs + Math.max(1, Math.trunc(delayMs)), callback });
      return this.#lastId;
    }) as unknown as typeof setTimeout;
    globalThis.clearTimeout = ((id: number) => void this.#timers.delete(id)) as typeof clearTimeout;
    performance.now = () => this.nowMs;
    Math.random = this.#random;
  }

  #uninstall(): void {
    globalThis.setTimeout = realSetTimeout;
    globalThis.clearTimeout = realClearTimeout;
    performance.now = realNow;
    Math.random = realRandom;
  }

  /** Advances the time without running timers, as when the program is busy. */
  passes(ms: number): void {
    this.nowMs += ms;
  }

  /**
   * Advances the time. Due timers run in order, each after everything before it has settled.
   *
   * @param check Called whenever the program is idle, before the time advances.
   */
  async advance(ms: number, check: () => void = () => {}): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      await settle();
      const [id, next] = [...this.#timers].sort(([, a], [, b]) => a.dueMs - b.dueMs)[0] ?? [];
      if (!next || next.dueMs > this.nowMs) check();
      if (!next || next.dueMs > untilMs) break;
      this.#timers.delete(id!);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.callback();
    }
    this.nowMs = untilMs;
  }
}
