import { isWorkflowTask, SourceFeed } from "./task_feed.ts";
import type { Source } from "../jsonl/source.ts";
import type { TaskResult } from "../records/result.ts";
import type { Task } from "../records/task.ts";
import type { Executor } from "./executor.ts";
import { HaltCounter } from "./halt.ts";
import type { Finished, Job } from "./job.ts";
import { type PoolOptions, type PoolSettings, poolSettings } from "./options.ts";
import { OrderedBuffer, type ResultBuffer, UnorderedBuffer } from "./result_buffer.ts";
import { maxBacklog, Scheduler } from "./scheduler.ts";
import type { SourceFacts } from "./workflow/source_facts.ts";

/**
 * A run, as an iterator over its results. Iterate to the end, or call {@linkcode Run.return} (a `break` in `for await`
 * does): otherwise the shells of the run keep the program alive.
 */
export interface Run<Meta = unknown> extends AsyncIterableIterator<TaskResult<Meta>, undefined> {
  /** The maximum number of tasks that run at once. Can be changed at any time; running tasks continue. */
  concurrency: number;
  /** Returns the next result. After the last result, rejects once if the run failed or was aborted. */
  next(): Promise<IteratorResult<TaskResult<Meta>, undefined>>;
  /** Resolves when the run is over and its processes and temporary files are gone. Never rejects. */
  readonly closed: Promise<void>;
  /** The result that met {@linkcode PoolOptions.halt}; `undefined` until then. */
  readonly haltedBy: TaskResult<Meta> | undefined;
  /**
   * Stops starting tasks; running tasks finish. Tasks that wait for a retry get the outcome `canceled`. After the last
   * result, the iterator ends.
   */
  drain(): void;
  /**
   * Ends the run: terminates running tasks and drops their results. Resolves when the processes and temporary files of the
   * run are gone. Never rejects: an error that would have ended the run is dropped, too.
   */
  return(): Promise<IteratorResult<TaskResult<Meta>, undefined>>;
  /**
   * Stops starting tasks, and kills running tasks with SIGKILL; their results are still delivered. Useful when the tasks
   * take too long to end after {@linkcode PoolOptions.signal} was aborted.
   */
  kill(): void;
  /** The same as {@linkcode Run.return}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Runs the tasks of a source, and delivers the results through an iterator. */
export class PooledRun<Meta = unknown> implements Run<Meta> {
  haltedBy: TaskResult<Meta> | undefined;
  readonly #settings: PoolSettings;
  readonly #feed: SourceFeed;
  readonly #scheduler: Scheduler;
  readonly #results: ResultBuffer<Finished>;
  readonly #halt: HaltCounter | undefined;
  /** Pending calls of `next()`. */
  readonly #pendingNext: PromiseWithResolvers<IteratorResult<TaskResult<Meta>, undefined>>[] = [];
  #hasBegun = false;
  /** True when the caller wants no more results. */
  #hasReturned = false;

  /** @param facts The facts about the tasks; by default, those that an array shows. */
  constructor(
    tasks: Source<Task<Meta>>,
    options: PoolOptions,
    executor: Executor,
    facts: SourceFacts = factsOf(tasks),
  ) {
    const count = Array.isArray(tasks) ? tasks.length : undefined;
    this.#settings = poolSettings(options, count, executor);
    const { keepOrder, halt, total } = this.#settings;
    this.#halt = halt && new HaltCounter(halt, total);
    const capacity = () => this.concurrency;
    const { workflow: workflowSettings } = this.#settings;
    const feed = new SourceFeed(tasks, facts, this.#settings, capacity);
    this.#feed = feed;
    // The first tasks of a workflow may wait for many later ones.
    const window = () => Math.max(maxBacklog(this.concurrency), feed.workflow ? workflowSettings.maxWaiting.tasks : 0);
    this.#results = keepOrder ? new OrderedBuffer(capacity, window) : new UnorderedBuffer(capacity);
    this.#scheduler = new Scheduler(feed, this.#settings, executor, {
      hasRoom: (unfinished) => this.#results.hasRoom(unfinished),
      add: (job, finished) => this.#add(job, finished),
      skip: ({ sequence }) => this.#results.skip(sequence),
      skipAt: (sequence) => this.#results.skip(sequence),
      deliver: () => this.#deliver(),
    });
  }

  get closed(): Promise<void> {
    return this.#scheduler.closed;
  }

  /** The number of running tasks. */
  get running(): number {
    return this.#scheduler.running;
  }

  /** True if a task was skipped because a prerequisite was missing or in a cycle. */
  get hasInvalidPrerequisites(): boolean {
    return this.#feed.workflow?.hasInvalidPrerequisites ?? false;
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
    await Promise.all(
      this.#results.clear().map(async ({ attemptResult }) => {
        if (attemptResult) await this.#scheduler.discard(attemptResult);
      }),
    );
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

  /** Settles pending calls of `next()` after the last result. The first call gets the failure, if there is one. */
  #settlePending(): void {
    for (const pending of this.#pendingNext.splice(0)) {
      const { failure } = this.#scheduler;
      if (failure && !this.#hasReturned) pending.reject(failure.error);
      else pending.resolve({ done: true, value: undefined });
      this.#scheduler.failure = undefined;
    }
  }
}

/** Returns the facts about tasks that an array shows. */
function factsOf(tasks: Source<unknown>): SourceFacts {
  const isWorkflow = Array.isArray(tasks) ? tasks.some(isWorkflowValue) : undefined;
  return { isWorkflow, isReadFirst: isWorkflow === true };
}

function isWorkflowValue(value: unknown): boolean {
  try {
    return typeof value === "object" && value !== null && isWorkflowTask(value);
  } catch {
    return false; // the check of the task reports what a getter throws
  }
}
