/** Time and chance for code that asks the runtime for them: they do what the test says. */

const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;
const realNow = performance.now;
const realRandom = Math.random;

/** A timer that waits. */
interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** Lets everything happen that can happen without a timer and without anything from outside. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * Stands in for `setTimeout`, `clearTimeout`, `performance.now` and `Math.random` during a function. The timers of
 * node:test cannot do it: they leave `performance.now` as it is.
 */
export class FakeClock {
  nowMs = 0;
  readonly #timers = new Map<number, Timer>();
  readonly #random: () => number;
  #lastId = 0;

  /** @param random what `Math.random` is to give. */
  constructor(random: () => number = () => 0) {
    this.#random = random;
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Calls a function in whose world this is the time. */
  async during<T>(use: () => Promise<T>): Promise<T> {
    this.#install();
    try {
      return await use();
    } finally {
      this.#uninstall();
    }
  }

  #install(): void {
    // As the runtimes do it: whole milliseconds, and at least one.
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

  /** Lets time pass in which the program is busy: timers have to wait. */
  passes(ms: number): void {
    this.nowMs += ms;
  }

  /**
   * Lets time pass. Timers go off one after the other, each when everything before it has settled.
   *
   * @param check is called when nothing more can happen before time goes on.
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
