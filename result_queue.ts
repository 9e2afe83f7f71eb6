/** Results that wait to be taken. `sequence` is the number of the task in the input, from 1. */
export interface ResultQueue<T> {
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
export class CompletionOrder<T> implements ResultQueue<T> {
  readonly #results: T[] = [];
  readonly #capacity: () => number;

  /** @param capacity how many results may wait before no more tasks are started. */
  constructor(capacity: () => number) {
    this.#capacity = capacity;
  }

  hasRoom(): boolean {
    return this.#results.length < this.#capacity();
  }

  add(_sequence: number, result: T): void {
    this.#results.push(result);
  }

  skip(): void {}

  take(): T | undefined {
    return this.#results.shift();
  }

  clear(): T[] {
    return this.#results.splice(0);
  }
}

/** Hands results out in the order of the input. */
export class InputOrder<T> implements ResultQueue<T> {
  readonly #results = new Map<number, T>();
  readonly #skipped = new Set<number>();
  readonly #window: () => number;
  #next = 1;

  /** @param window how many tasks may be running or waiting here before no more are started. */
  constructor(window: () => number) {
    this.#window = window;
  }

  hasRoom(running: number): boolean {
    return running + this.#results.size < this.#window();
  }

  add(sequence: number, result: T): void {
    this.#results.set(sequence, result);
  }

  skip(sequence: number): void {
    this.#skipped.add(sequence);
  }

  take(): T | undefined {
    while (this.#skipped.delete(this.#next)) this.#next++;
    const result = this.#results.get(this.#next);
    if (result !== undefined) this.#results.delete(this.#next++);
    return result;
  }

  clear(): T[] {
    const results = [...this.#results.values()];
    this.#results.clear();
    return results;
  }
}
