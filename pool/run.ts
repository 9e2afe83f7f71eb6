import { SourceFeed } from "./task_feed.ts";
import type { Source } from "../jsonl/source.ts";
import type { TaskResult } from "../records/result.ts";
import type { Task } from "../records/task.ts";
import type { Executor } from "./executor.ts";
import { HaltCounter } from "./halt.ts";
import type { Finished, Job } from "./job.ts";
import { type PoolOptions, type PoolSettings, poolSettings } from "./options.ts";
import { OrderedBuffer, type ResultBuffer, UnorderedBuffer } from "./result_buffer.ts";
import { maxBacklog, Scheduler } from "./scheduler.ts";

/**
 * A run under way: an iterator over its results. One that is neither taken to its end nor left keeps its shells, and with
 * them the program.
 */
export interface Run<Meta = unknown> extends AsyncIterableIterator<TaskResult<Meta>, undefined> {
  /** How many tasks run at once, at most. Can be changed at any time; with a smaller number, running tasks go on. */
  concurrency: number;
  /** Takes the next result. Rejects, after the last result, when the tasks could not all be read or run. */
  next(): Promise<IteratorResult<TaskResult<Meta>, undefined>>;
  /** Settles when the run is over, and no process and no file of it is left. Never rejects. */
  readonly closed: Promise<void>;
  /** The result that met {@linkcode PoolOptions.halt}, once one has. */
  readonly haltedBy: TaskResult<Meta> | undefined;
  /**
   * Starts nothing more, and lets what runs finish. Tasks that wait to be tried again come with the outcome `canceled`.
   * After the last result the iterator ends.
   */
  drain(): void;
  /** Ends the run: tasks that run are ended, their results dropped. Settles when no process and no file is left. */
  return(): Promise<IteratorResult<TaskResult<Meta>, undefined>>;
  /**
   * Ends the running tasks at once, with SIGKILL and without waiting; their results still come. For those who cannot wait
   * any longer after {@linkcode PoolOptions.signal} was aborted.
   */
  kill(): void;
  /** The same as {@linkcode Run.return}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Runs the tasks of a source, and hands out the results to whoever asks for them. */
export class PooledRun<Meta = unknown> implements Run<Meta> {
  haltedBy: TaskResult<Meta> | undefined;
  readonly #settings: PoolSettings;
  readonly #scheduler: Scheduler;
  readonly #results: ResultBuffer<Finished>;
  readonly #halt: HaltCounter | undefined;
  /** Calls of `next()` without an answer. */
  readonly #pendingNext: PromiseWithResolvers<IteratorResult<TaskResult<Meta>, undefined>>[] = [];
  #hasBegun = false;
  /** True when the caller wants no more results. */
  #hasReturned = false;

  constructor(tasks: Source<Task<Meta>>, options: PoolOptions, executor: Executor) {
    const count = Array.isArray(tasks) ? tasks.length : undefined;
    this.#settings = poolSettings(options, count, executor);
    const { keepOrder, halt, total } = this.#settings;
    this.#halt = halt && new HaltCounter(halt, total);
    const capacity = () => this.concurrency;
    this.#results = keepOrder
      ? new OrderedBuffer(capacity, () => maxBacklog(this.concurrency))
      : new UnorderedBuffer(capacity);
    this.#scheduler = new Scheduler(new SourceFeed(tasks), this.#settings, executor, {
      hasRoom: (unfinished) => this.#results.hasRoom(unfinished),
      add: (job, finished) => this.#add(job, finished),
      skip: ({ sequence }) => this.#results.skip(sequence),
      deliver: () => this.#deliver(),
    });
  }

  get closed(): Promise<void> {
    return this.#scheduler.closed;
  }

  get concurrency(): number {
    return this.#scheduler.concurrency;
  }

  set concurrency(concurrency: number) {
    this.#scheduler.concurrency = concurrency;
  }

  next(): Promise<IteratorResult<TaskResult<Meta>, undefined>> {
    const pending = Promise.withResolvers<IteratorResult<TaskResult<Meta>, undefined>>();
    this.#pendingNext.push(pending);
    this.#hasBegun = true;
    this.#scheduler.open();
    return pending.promise;
  }

  async return(): Promise<IteratorResult<TaskResult<Meta>, undefined>> {
    this.#hasReturned = true;
    this.#scheduler.stop();
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#scheduler.close();
    }
    await this.closed;
    await Promise.all(this.#results.clear().map(({ attemptResult }) => this.#scheduler.discard(attemptResult)));
    return { done: true, value: undefined };
  }

  drain(): void {
    this.#scheduler.drain();
    this.#scheduler.tick();
  }

  kill(): void {
    this.#scheduler.stop(undefined, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #add({ sequence }: Job, finished: Finished): void {
    this.#results.add(sequence, finished);
    if (!this.#halt?.meets(finished.result)) return;
    this.haltedBy = finished.result as TaskResult<Meta>;
    if (this.#settings.halt!.when === "now") this.#scheduler.stop();
    else this.#scheduler.drain();
  }

  #deliver(): void {
    while (this.#pendingNext.length > 0 && !this.#hasReturned) {
      const finished = this.#results.take();
      if (!finished) break;
      this.#pendingNext.shift()!.resolve({ done: false, value: finished.result as TaskResult<Meta> });
    }
    if (this.#scheduler.isClosed) this.#settlePending();
  }

  /** Answers every call of `next()` after the last result: the first with the failure, if there is one. */
  #settlePending(): void {
    for (const pending of this.#pendingNext.splice(0)) {
      const { failure } = this.#scheduler;
      if (failure && !this.#hasReturned) pending.reject(failure.error);
      else pending.resolve({ done: true, value: undefined });
      this.#scheduler.failure = undefined;
    }
  }
}
