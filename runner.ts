/**
 * The bounded pool: it reads tasks, hands each to a slot, and gives the results.
 *
 * @module
 */

import { availableParallelism } from "node:os";
import { excerpt } from "./internal/excerpt.ts";
import {
  type Attempt,
  type AttemptEnd,
  createExecutor,
  type Execution,
  type Executor,
  type ExecutorOptions,
} from "./executors/mod.ts";
import { RETRIED, type StopReason, toResult } from "./outcome.ts";
import type { TaskResult } from "./result.ts";
import { CompletionOrder, InputOrder, type ResultQueue } from "./result_queue.ts";
import { type Source, SourceReader } from "./internal/source.ts";
import { systemReason } from "./internal/system_error.ts";
import { checkTask, type Task } from "./task.ts";

/** Options of {@linkcode run}. */
export interface RunOptions extends ExecutorOptions {
  /**
   * How many tasks run at once, at most.
   *
   * @default the number of CPUs that this process may use
   */
  concurrency?: number | undefined;
  /**
   * Gives the results in the order of the tasks, not in that of their completion. When one task holds up the results of
   * 1,000 others (or of 4 times the concurrency, if that is more), no more are started until it is done.
   *
   * @default {false}
   */
  keepOrder?: boolean | undefined;
  /**
   * Stops the run: nothing more is started, what runs is ended, and its results come with the outcome `canceled`. After
   * the last of them the iterator throws the reason of the signal.
   */
  signal?: AbortSignal | undefined;
  /**
   * How long a task may take to end after SIGTERM, in milliseconds, before what is left of it gets SIGKILL.
   *
   * @default {5_000}
   */
  killAfterMs?: number | undefined;
}

/**
 * A run under way: an iterator over its results. One that is neither taken to its end nor left keeps its shells, and with
 * them the program.
 */
export interface Run extends AsyncIterableIterator<TaskResult, undefined> {
  /** How many tasks run at once, at most. Can be changed at any time; with a smaller number, running tasks go on. */
  concurrency: number;
  /** Takes the next result. Rejects, after the last result, when the tasks could not all be read or run. */
  next(): Promise<IteratorResult<TaskResult, undefined>>;
  /** Ends the run: tasks that run are ended, their results dropped. Settles when no process and no file is left. */
  return(): Promise<IteratorResult<TaskResult, undefined>>;
  /**
   * Ends the running tasks at once, with SIGKILL and without waiting; their results still come. For those who cannot wait
   * any longer after {@linkcode RunOptions.signal} was aborted.
   */
  kill(): void;
  /** The same as {@linkcode Run.return}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Runs tasks in a bounded pool of processes and gives one result for each, whatever happens to it.
 *
 * Nothing is read or started before the first result is asked for. Then a task is read only when a slot is free, and
 * no more are started when `concurrency` results wait to be taken, so memory depends on the concurrency, not on the
 * number of tasks. A task that fails is not an error: its result says what happened.
 *
 * To stop early, leave the loop (`break`, `return`, an exception), call `return()`, use `await using`, or abort
 * `options.signal`. In each case the process groups of running tasks are ended: their children and grandchildren too,
 * but not what a task has put into a session of its own, as setsid(1) does.
 *
 * @param tasks tasks from an array, a generator, a stream, or {@linkcode readTasks}. When reading them fails, or a value
 * is not a {@linkcode Task}, tasks that run are finished and their results given; then the iterator throws that error.
 * @throws `RangeError` when an option is out of range, `TypeError` when `tasks` cannot be iterated.
 *
 * @example Run commands, two at once
 * ```ts
 * import { run } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * let sum = 0;
 * for await (const result of run([{ cmd: "echo 1" }, { cmd: ["echo", "2"] }], { concurrency: 2 })) {
 *   sum += Number(result.stdout);
 * }
 * assertEquals(sum, 3);
 * ```
 *
 * @example Stop at the first failure
 * ```ts
 * import { run } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * await using results = run([{ cmd: "exit 3" }, { cmd: "sleep 60" }], { concurrency: 2 });
 * for await (const { id, status, outcome } of results) {
 *   if (outcome === "ok") continue;
 *   assertEquals([id, status, outcome], ["1", 3, "failed"]);
 *   break; // ends the sleep
 * }
 * ```
 */
export function run(tasks: Source<Task>, options: RunOptions = {}): Run {
  return new Pool(tasks, options);
}

/** An attempt under way, and why it is being ended, if it is. */
interface RunningAttempt {
  execution: Execution;
  stopReason: StopReason | undefined;
}

/** A finished task: what its caller gets, and what there is to remove when nobody wants it. */
interface Finished {
  result: TaskResult;
  end: AttemptEnd;
}

class Pool implements Run {
  readonly #signal: AbortSignal | undefined;
  readonly #executor: Executor;
  readonly #source: SourceReader<Task>;
  readonly #results: ResultQueue<Finished>;
  readonly #killAfterMs: number;
  #concurrency: number;
  /** By slot, from 0. */
  readonly #slots: (RunningAttempt | undefined)[] = [];
  #running = 0;
  /** How many tasks have been read. */
  #sequence = 0;
  /** A task that has been read and not been started. */
  #nextTask: Task | undefined;
  #reading = false;
  /** No more tasks are to be read: there are none, one could not be read, or the run was stopped. */
  #inputEnded = false;
  #sourceCanceled: Promise<void> | undefined;
  /** Attempts are being ended, and none is to be started. */
  #stopping = false;
  /** The caller wants no more results. */
  #returned = false;
  /** What the iterator throws after the last result. */
  #failure: { error: unknown } | undefined;
  #state: "new" | "open" | "closing" | "closed" = "new";
  readonly #closed = Promise.withResolvers<void>();
  /** Those who wait for a result. */
  readonly #takers: PromiseWithResolvers<IteratorResult<TaskResult, undefined>>[] = [];
  readonly #onAbort = () => this.#stop({ error: this.#signal!.reason });

  constructor(tasks: Source<Task>, options: RunOptions) {
    const { concurrency = availableParallelism(), killAfterMs = 5_000, keepOrder = false, signal } = options;
    if (typeof killAfterMs !== "number" || !(killAfterMs >= 0)) {
      throw new RangeError(
        `Cannot start the pool: killAfterMs must be a number of at least 0, got ${excerpt(killAfterMs)}`,
      );
    }
    this.#concurrency = checkConcurrency(concurrency, "Cannot start the pool");
    this.#killAfterMs = killAfterMs;
    this.#signal = signal;
    this.#executor = createExecutor(options);
    this.#results = keepOrder
      ? new InputOrder(() => Math.max(1_000, 4 * this.#concurrency))
      : new CompletionOrder(() => this.#concurrency);
    this.#source = new SourceReader(tasks);
  }

  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(concurrency: number) {
    this.#concurrency = checkConcurrency(concurrency, "Cannot change the concurrency");
    this.#advance();
  }

  next(): Promise<IteratorResult<TaskResult, undefined>> {
    const taker = Promise.withResolvers<IteratorResult<TaskResult, undefined>>();
    this.#takers.push(taker);
    if (this.#state === "new") this.#open();
    this.#advance();
    return taker.promise;
  }

  async return(): Promise<IteratorResult<TaskResult, undefined>> {
    const wasNew = this.#state === "new";
    this.#returned = true;
    this.#stop(undefined);
    if (wasNew) await this.#close();
    await this.#closed.promise;
    await Promise.all(this.#results.clear().map(({ end }) => this.#executor.discard(end)));
    return { done: true, value: undefined };
  }

  kill(): void {
    this.#stop(undefined, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #open(): void {
    this.#state = "open";
    if (this.#signal?.aborted) this.#onAbort();
    else this.#signal?.addEventListener("abort", this.#onAbort);
  }

  /** Does everything that can be done now: hands out results, reads tasks, and closes when it is all over. */
  #advance(): void {
    while (this.#takers.length > 0 && !this.#returned) {
      const finished = this.#results.take();
      if (!finished) break;
      this.#takers.shift()!.resolve({ done: false, value: finished.result });
    }
    if (this.#wantsTask() && !this.#reading) this.#readTasks();
    if (this.#state === "open" && this.#inputEnded && this.#running === 0) {
      this.#close();
    }
    if (this.#state === "closed") this.#settleTakers();
  }

  #wantsTask(): boolean {
    return this.#state === "open" && !this.#inputEnded && this.#running < this.#concurrency &&
      this.#results.hasRoom(this.#running);
  }

  async #readTasks(): Promise<void> {
    this.#reading = true;
    try {
      while (this.#wantsTask()) {
        if (this.#nextTask) {
          this.#runTask(this.#nextTask, this.#sequence);
          this.#nextTask = undefined;
          continue;
        }
        const { done, value } = await this.#source.next();
        if (done) this.#inputEnded = true;
        // While it was read the run may have been stopped, or a slot taken away.
        if (!this.#inputEnded) this.#nextTask = checkTask(value, `task ${++this.#sequence}`);
      }
    } catch (error) {
      this.#endInput({ error });
    }
    this.#reading = false;
    this.#advance();
  }

  async #runTask(task: Task, sequence: number): Promise<void> {
    const free = this.#slots.indexOf(undefined);
    const index = free === -1 ? this.#slots.length : free;
    this.#running++;
    this.#results.add(sequence, await this.#finish(task, sequence, index));
    this.#slots[index] = undefined;
    this.#running--;
    this.#advance();
  }

  /** Runs a task until it needs no more attempts. */
  async #finish(task: Task, sequence: number, index: number): Promise<Finished> {
    const id = String(task.id ?? sequence);
    const slot = index + 1;
    let discarded: Promise<void> | undefined;
    for (let number = 1;; number++) {
      const startedAt = new Date().toISOString();
      const { end, stopReason } = await this.#attempt({ task, sequence, number, slot });
      await discarded;
      const result = toResult({ id, attempts: number, slot, startedAt }, end, stopReason, task.meta);
      const mayRetry = number <= (task.retries ?? 0) && !this.#stopping && RETRIED.has(result.outcome);
      if (!mayRetry) return { result, end };
      discarded = this.#executor.discard(end).catch(() => {}); // only files, and of an attempt that nobody will see
    }
  }

  /** Runs one attempt to its end. An executor that fails ends the run, and yet every task has a result. */
  async #attempt(attempt: Attempt): Promise<{ end: AttemptEnd; stopReason: StopReason | undefined }> {
    const startedMs = performance.now();
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const running: RunningAttempt = { execution: this.#executor.start(attempt), stopReason: undefined };
      this.#slots[attempt.slot - 1] = running;
      const { timeoutMs } = attempt.task;
      if (timeoutMs !== undefined) timer = setTimeout(() => this.#terminate(running, "timeout"), timeoutMs);
      return { end: await running.execution.ended, stopReason: running.stopReason };
    } catch (error) {
      this.#endInput({ error });
      const nothing = { text: "" };
      const outputError = `The executor failed: ${systemReason(error)}`;
      const durationMs = performance.now() - startedMs;
      return {
        end: { status: null, durationMs, stdout: nothing, stderr: nothing, outputError },
        stopReason: undefined,
      };
    } finally {
      clearTimeout(timer);
    }
  }

  #terminate(attempt: RunningAttempt, reason: StopReason, killAfterMs = this.#killAfterMs): void {
    if (attempt.execution.terminate(killAfterMs)) attempt.stopReason ??= reason;
  }

  #endInput(failure: { error: unknown } | undefined): void {
    this.#inputEnded = true;
    this.#failure ??= failure;
    // The first error is the one to report: a source that has failed may refuse to be canceled.
    this.#sourceCanceled ??= this.#source.cancel().catch(() => {});
  }

  #stop(failure: { error: unknown } | undefined, killAfterMs?: number): void {
    this.#stopping = true;
    this.#endInput(failure);
    for (const attempt of this.#slots) {
      if (attempt) this.#terminate(attempt, "canceled", killAfterMs);
    }
    this.#advance();
  }

  async #close(): Promise<void> {
    this.#state = "closing";
    this.#signal?.removeEventListener("abort", this.#onAbort);
    await this.#sourceCanceled;
    try {
      await this.#executor.close();
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#state = "closed";
    this.#closed.resolve();
    this.#settleTakers();
  }

  /** Nothing more will come: the first who waits gets the failure, if there is one. */
  #settleTakers(): void {
    for (const taker of this.#takers.splice(0)) {
      if (this.#failure && !this.#returned) taker.reject(this.#failure.error);
      else taker.resolve({ done: true, value: undefined });
      this.#failure = undefined;
    }
  }
}

function checkConcurrency(concurrency: number, action: string): number {
  if (Number.isSafeInteger(concurrency) && concurrency >= 1) return concurrency;
  throw new RangeError(`${action}: concurrency must be an integer of at least 1, got ${excerpt(concurrency)}`);
}
