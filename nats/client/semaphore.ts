/** Counting semaphore whose permits are numbered from 1. */
export class Semaphore {
  readonly #isTaken: boolean[];
  readonly #queue = new Set<(permit: number) => void>();
  #woken = Promise.withResolvers<void>();

  /** @param count the number of permits. */
  constructor(count: number) {
    this.#isTaken = Array(count).fill(false);
  }

  /** The number of free permits. */
  get free(): number {
    return this.#isTaken.filter((isTaken) => !isTaken).length;
  }

  /** Takes the free permit with the lowest number, and returns the number; `undefined` when none is free. */
  tryAcquire(): number | undefined {
    const index = this.#isTaken.indexOf(false);
    if (index === -1) return undefined;
    this.#isTaken[index] = true;
    return index + 1;
  }

  /** Passes a permit to the longest waiting {@linkcode run}, or frees it. */
  release(permit: number): void {
    const [next] = this.#queue;
    if (next) {
      this.#queue.delete(next);
      next(permit);
      return;
    }
    this.#isTaken[permit - 1] = false;
    this.wake();
  }

  /** Runs an action with a permit. Calls that wait for a permit get it in their order. */
  async run<T>(action: () => Promise<T>): Promise<T> {
    const permit = this.tryAcquire() ?? await new Promise<number>((resolve) => this.#queue.add(resolve));
    try {
      return await action();
    } finally {
      this.release(permit);
    }
  }

  /** Settles when a permit is free or {@linkcode wake} is called. Takes no permit, so another caller may be faster. */
  async whenFree(): Promise<void> {
    if (this.free === 0) await this.#woken.promise;
  }

  /** Settles all pending {@linkcode whenFree} calls. */
  wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers();
  }
}
