/** The places in which tasks run, for all runs together. */
export class Slots {
  readonly #isTaken: boolean[];
  #woken = Promise.withResolvers<void>();

  constructor(count: number) {
    this.#isTaken = Array(count).fill(false);
  }

  get free(): number {
    return this.#isTaken.filter((isTaken) => !isTaken).length;
  }

  /** Takes the first that is free: its number, from 1. */
  take(): number | undefined {
    const index = this.#isTaken.indexOf(false);
    if (index === -1) return undefined;
    this.#isTaken[index] = true;
    return index + 1;
  }

  release(slot: number): void {
    this.#isTaken[slot - 1] = false;
    this.wake();
  }

  /** Settles when one is free, or there is something else to look at. */
  async whenFree(): Promise<void> {
    if (this.free === 0) await this.#woken.promise;
  }

  wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers();
  }
}
