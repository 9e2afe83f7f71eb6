/** A run in this process to which tasks can be added. @module */

import { PooledRun } from "../pool/run.ts";
import { withAllDigits } from "../records/read_tasks.ts";
import type { TaskResult } from "../records/result.ts";
import type { Task } from "../records/task.ts";
import { chooseExecutor, type RunOptions } from "../runner.ts";
import type { GrowingRun, TaskLines } from "./task_lines.ts";

/** Runs tasks in this process, and yields their results. */
export class LocalRun<Meta = unknown> extends PooledRun<Meta> implements GrowingRun<Meta> {
  readonly #tasks: TaskLines;
  readonly #source: AddedTasks<Meta>;
  readonly #signal: AbortSignal | undefined;
  /** Settles when the caller wants no further results. */
  readonly #left = Promise.withResolvers<void>();
  readonly #closed: Promise<void>;
  #delivered = 0;
  /** The number of tasks that get no result unless further tasks are added. */
  #unresolved = 0;
  /** True while the caller waits for a result. */
  #isAsked = false;
  /** The previous call of `next`. */
  #previous: Promise<unknown> = Promise.resolve();

  constructor(tasks: TaskLines, options: RunOptions) {
    const source = new AddedTasks<Meta>(tasks);
    super(source, options, chooseExecutor(options), {
      isWorkflow: undefined,
      isReadFirst: false,
      onUnresolved: (tasks) => this.#resolve(tasks),
    });
    this.#tasks = tasks;
    this.#source = source;
    this.#signal = options.signal;
    this.#closed = super.closed.then(() => this.#left.promise);
  }

  /** As in another process, the run is not over while results are left. */
  override get closed(): Promise<void> {
    return this.#closed;
  }

  get isEnding(): boolean {
    return this.#source.hasEnded || this.#signal?.aborted === true;
  }

  override next(): Promise<IteratorResult<TaskResult<Meta>, undefined>> {
    const result = this.#previous.then(() => this.#next());
    this.#previous = result.catch(() => {});
    return result;
  }

  override return(): Promise<IteratorResult<TaskResult<Meta>, undefined>> {
    this.#left.resolve();
    return super.return();
  }

  async #next(): Promise<IteratorResult<TaskResult<Meta>, undefined>> {
    this.#isAsked = true;
    this.#endWhenComplete();
    let isLast = true;
    try {
      const result = await super.next();
      isLast = result.done === true;
      this.#delivered++;
      this.#isAsked = false;
      return result;
    } finally {
      if (isLast) {
        this.#left.resolve();
        await this.#closed; // tasks can be added for the next run as soon as this one has ended
      }
    }
  }

  #resolve(unresolved: number): void {
    this.#unresolved = unresolved;
    this.#endWhenComplete();
  }

  #endWhenComplete(): void {
    if (this.#isAsked && this.#delivered + this.#unresolved === this.#tasks.count) this.#source.end();
  }
}

/** Yields tasks as they are added, until `end()`. The pool calls `return()` when it starts no more tasks. */
class AddedTasks<Meta> implements AsyncIterableIterator<Task<Meta>, undefined> {
  hasEnded = false;
  readonly #tasks: TaskLines;
  /** Chunks whose lines have not been parsed. */
  #chunks: string[] = [];
  /** The lines of one chunk, the first one last. */
  #lines: string[] = [];
  #wake = () => {};

  constructor(tasks: TaskLines) {
    this.#tasks = tasks;
    tasks.onAdd = () => this.#wake();
  }

  async next(): Promise<IteratorResult<Task<Meta>, undefined>> {
    while (!this.hasEnded) {
      const line = this.#takeLine();
      if (line !== undefined) return { done: false, value: withAllDigits(JSON.parse(line), line) as Task<Meta> };
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return { done: true, value: undefined };
  }

  end(): void {
    this.hasEnded = true;
    this.#wake();
  }

  return(): Promise<IteratorResult<Task<Meta>, undefined>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #takeLine(): string | undefined {
    if (this.#lines.length === 0) {
      if (this.#chunks.length === 0) this.#chunks = this.#tasks.take();
      // The newline at the end of a chunk leaves an empty string behind.
      this.#lines = this.#chunks.shift()?.split("\n").reverse().slice(1) ?? [];
    }
    return this.#lines.pop();
  }
}
