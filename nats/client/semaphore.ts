/** Counting semaphore. */
export class Semaphore {
  #free: number;
  readonly #queue = new Set<() => void>();

  /** @param count the number of permits. */
  constructor(count: number) {
    this.#free = count;
  }

  /** Runs an action with a permit. Calls that wait for a permit get it in their order. */
  async run<T>(action: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#queue.add(resolve));
    try {
      return await action();
    } finally {
      this.#release();
    }
  }

  /** Passes a permit to the call that has waited longest, or frees it. */
  #release(): void {
    const [next] = this.#queue;
    if (next) {
      this.#queue.delete(next);
      next();
    } else this.#free++;
  }
}
