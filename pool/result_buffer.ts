/** Results that wait to be taken. `sequence` is the number of the task in the input, from 1. */
export interface ResultBuffer<T> {
  /** Whether one more task may be started while `running` of them are not finished: what waits here stays bounded. */
  hasRoom(running: number): boolean;
  add(sequence: number, result: T): void;
  /** There will be no result of this task. */
  skip(sequence: number): void;
  /** The next result, if there is one that can be handed out now. */
  take(): T | undefined;
  /** Takes out everything, whether or not its turn has come. */
  clear(): T[];
}

/** Hands results out in the order in which they come in. */
export class UnorderedBuffer<T> implements ResultBuffer<T> {
  readonly #results: T[] = [];
  readonly #capacity: () => number;

  /** @param capacity how many results may wait before no more tasks are started. */
  constructor(capacity: () => number) {
    this.#capacity = capacity;
  }

  hasRoom(_running?: number): boolean {
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

/** Hands results out in the order of the input: each comes in when all before it have come. */
export class OrderedBuffer<T> extends UnorderedBuffer<T> {
  /** Those that wait for one before them. */
  readonly #early = new Map<number, T>();
  readonly #skipped = new Set<number>();
  readonly #window: () => number;
  #next = 1;

  /** @param window how many tasks may be running or wait for one before them before no more are started. */
  constructor(capacity: () => number, window: () => number) {
    super(capacity);
    this.#window = window;
  }

  override hasRoom(running: number): boolean {
    return super.hasRoom() && running + this.#early.size < this.#window();
  }

  override add(sequence: number, result: T): void {
    this.#early.set(sequence, result);
    this.#goOn();
  }

  override skip(sequence: number): void {
    this.#skipped.add(sequence);
    this.#goOn();
  }

  override clear(): T[] {
    const results = [...super.clear(), ...this.#early.values()];
    this.#early.clear();
    return results;
  }

  #goOn(): void {
    for (;; this.#next++) {
      if (this.#skipped.delete(this.#next)) continue;
      const result = this.#early.get(this.#next);
      if (result === undefined) return;
      this.#early.delete(this.#next);
      super.add(this.#next, result);
    }
  }
}
