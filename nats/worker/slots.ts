/** The slots of a worker, which all its runs share. */
export class Slots {
  readonly #isTaken: boolean[];
  #woken = Promise.withResolvers<void>();

  constructor(count: number) {
    this.#isTaken = Array(count).fill(false);
  }

  /** The number of free slots. */
  get free(): number {
    return this.#isTaken.filter((isTaken) => !isTaken).length;
  }

  /** Takes the first free slot, and returns its number, from 1; `undefined` when none is free. */
  take(): number | undefined {
    const index = this.#isTaken.indexOf(false);
    if (index === -1) return undefined;
    this.#isTaken[index] = true;
    return index + 1;
  }

  /** Frees a slot. */
  release(slot: number): void {
    this.#isTaken[slot - 1] = false;
    this.wake();
  }

  /** Settles when a slot is free, or {@linkcode wake} was called. */
  async whenFree(): Promise<void> {
    if (this.free === 0) await this.#woken.promise;
  }

  /** Wakes everyone who waits for a slot. */
  wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers();
  }
}
