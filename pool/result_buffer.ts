/** Buffers results until the caller takes them. `sequence` is the position of the task in the input, from 1. */
export interface ResultBuffer<T> {
  /** Returns whether another task may start beside `unfinished` tasks. Bounds the number of buffered results. */
  hasRoom(unfinished: number): boolean;
  add(sequence: number, result: T): void;
  /** Records that a task has no result. */
  skip(sequence: number): void;
  /** Removes and returns the next result; `undefined` when no result is ready. */
  take(): T | undefined;
  /** Removes and returns all results that are ready: after the last task, all results. */
  clear(): T[];
}

/** Delivers results in order of arrival. */
export class UnorderedBuffer<T> implements ResultBuffer<T> {
  readonly #results: T[] = [];
  readonly #capacity: () => number;

  /** @param capacity Returns the number of buffered results at which no further task starts. */
  constructor(capacity: () => number) {
    this.#capacity = capacity;
  }

  hasRoom(_unfinished?: number): boolean {
    return this.#results.length < this.#capacity();
  }

  add(_sequence: number, result: T): void {
    this.#results.push(result);
  }

  skip(_sequence: number): void {}

  take(): T | undefined {
    return this.#results.shift();
  }

  clear(): T[] {
    return this.#results.splice(0);
  }
}

/** Delivers results in the order of the input: a result is ready when all earlier results are. */
export class OrderedBuffer<T> extends UnorderedBuffer<T> {
  /** Results that wait for an earlier one, by sequence. */
  readonly #early = new Map<number, T>();
  readonly #skipped = new Set<number>();
  readonly #window: () => number;
  #next = 1;

  /**
   * @param window Returns the maximum number of tasks that are running or have a result that waits for an earlier
   * result.
   */
  constructor(capacity: () => number, window: () => number) {
    super(capacity);
    this.#window = window;
  }

  override hasRoom(unfinished: number): boolean {
    // When no task is unfinished, the earlier result that all others wait for can come only from a task that has not started.
    return super.hasRoom() && (unfinished === 0 || unfinished + this.#early.size < this.#window());
  }

  override add(sequence: number, result: T): void {
    this.#early.set(sequence, result);
    this.#release();
  }

  override skip(sequence: number): void {
    this.#skipped.add(sequence);
    this.#release();
  }

  /** Makes results ready, up to the first one that has not arrived. */
  #release(): void {
    for (;; this.#next++) {
      if (this.#skipped.delete(this.#next)) continue;
      const result = this.#early.get(this.#next);
      if (result === undefined) return;
      this.#early.delete(this.#next);
      super.add(this.#next, result);
    }
  }
}
