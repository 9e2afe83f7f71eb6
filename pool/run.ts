/**
 * The bounded pool: it reads tasks, hands each to a slot, and gives the results.
 *
 * @module
 */

import { type AttemptHooks, checkAttemptHooks } from "./attempt_hooks.ts";
import { type Attempt, type AttemptResult, type Executor, resultWithoutOutput } from "./executor.ts";
import { HaltCounter } from "./halt.ts";
import { commandHash } from "../records/command_hash.ts";
import { type Source, SourceReader } from "../jsonl/source.ts";
import { systemReason } from "../system/system_error.ts";
import { type AttemptMeta, hasResult, toResult } from "./outcome.ts";
import type { TaskResult } from "../records/result.ts";
import { OrderedBuffer, type ResultBuffer, UnorderedBuffer } from "./result_buffer.ts";
import { backoffMs } from "./backoff.ts";
import { ExecutorError, executorError, ResourceShortageError } from "./errors.ts";
import { checkConcurrency, type PoolOptions, type PoolSettings, poolSettings } from "./options.ts";
import { RunningAttempt } from "./running_attempt.ts";
import { StartLimiter, type ThrottleReason } from "./start_limiter.ts";
import { CapacityEstimate } from "./capacity_estimate.ts";
import { type CheckedTask, checkTask, type Task } from "../records/task.ts";

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

/** A task on its way through the pool. */
interface Job<Meta> {
  readonly task: CheckedTask<Meta>;
  readonly id: string;
  readonly sequence: number;
  readonly cmdHash: string;
  /** What the last attempt has left, while the task waits to be tried again. */
  last: { meta: AttemptMeta; end: AttemptResult } | undefined;
}

/** A finished task: what its caller gets, and what there is to remove when nobody wants it. */
interface Finished<Meta> {
  result: TaskResult<Meta>;
  end: AttemptResult;
}

/** A taken slot. Its attempt is absent until the hooks of the attempt have been called. */
interface Slot {
  attempt?: RunningAttempt;
}

/** Schedules the attempts of tasks: when each starts, is tried again, and gives its result. */
export class Pool<Meta = unknown> implements Run<Meta> {
  haltedBy: TaskResult<Meta> | undefined;
  readonly #options: PoolSettings;
  readonly #executor: Executor;
  readonly #source: SourceReader<Task<Meta>>;
  readonly #results: ResultBuffer<Finished<Meta>>;
  readonly #halt: HaltCounter | undefined;
  readonly #gate: StartLimiter | undefined;
  readonly #room = new CapacityEstimate();
  #concurrency: number;
  /** By slot, from 0. */
  readonly #slots: (Slot | undefined)[] = [];
  #running = 0;
  /** How many tasks have been read. */
  #sequence = 0;
  /** A task that has been read and not been started. */
  #next: Job<Meta> | undefined;
  /** Tasks that wait to be tried again, with what ends the waiting. */
  readonly #waiting = new Map<Job<Meta>, ReturnType<typeof setTimeout>>();
  /** Tasks to be tried again, or that could not be started, as soon as there is a slot. */
  readonly #due: Job<Meta>[] = [];
  #throttledBy: ThrottleReason | undefined;
  /** Looks at the gate again. */
  #gateTimer: ReturnType<typeof setTimeout> | undefined;
  #finished = 0;
  #failed = 0;
  #reading = false;
  /** No more tasks are to be read: there are none, one could not be read, or the run is to end. */
  #inputEnded = false;
  #sourceCanceled: Promise<void> | undefined;
  /** No attempt is to be started any more. */
  #draining = false;
  /** The caller wants no more results. */
  #returned = false;
  /** What the iterator throws after the last result. */
  #failure: { error: unknown } | undefined;
  #state: "new" | "opening" | "open" | "closing" | "closed" = "new";
  readonly #closed = Promise.withResolvers<void>();
  /** Those who wait for a result. */
  readonly #takers: PromiseWithResolvers<IteratorResult<TaskResult<Meta>, undefined>>[] = [];
  readonly #onAbort = () => this.#stop({ error: this.#options.signal!.reason });
  readonly #fail = (error: unknown) => this.#stop({ error });

  constructor(tasks: Source<Task<Meta>>, options: PoolOptions, executor: Executor) {
    this.#executor = executor;
    const count = Array.isArray(tasks) ? tasks.length : undefined;
    this.#options = poolSettings(options, count, this.#executor.concurrency);
    const { concurrency, keepOrder, halt, startLimits, total } = this.#options;
    this.#concurrency = concurrency;
    this.#halt = halt && new HaltCounter(halt, total);
    this.#gate = startLimits && new StartLimiter(startLimits);
    const capacity = () => this.#concurrency;
    this.#results = keepOrder ? new OrderedBuffer(capacity, () => this.#window) : new UnorderedBuffer(capacity);
    this.#source = new SourceReader(tasks);
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(concurrency: number) {
    this.#concurrency = checkConcurrency(concurrency, "Cannot change the concurrency");
    this.#advance();
  }

  next(): Promise<IteratorResult<TaskResult<Meta>, undefined>> {
    const taker = Promise.withResolvers<IteratorResult<TaskResult<Meta>, undefined>>();
    this.#takers.push(taker);
    if (this.#state === "new") this.#open();
    this.#advance();
    return taker.promise;
  }

  async return(): Promise<IteratorResult<TaskResult<Meta>, undefined>> {
    const wasNew = this.#state === "new";
    this.#returned = true;
    this.#stop(undefined);
    if (wasNew) await this.#close();
    await this.#closed.promise;
    await Promise.all(this.#results.clear().map(({ end }) => this.#executor.discard(end)));
    return { done: true, value: undefined };
  }

  drain(): void {
    this.#drain(undefined);
    this.#advance();
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

  /** How many tasks may wait for something, so that memory stays bounded. */
  get #window(): number {
    return Math.max(1_000, 4 * this.#concurrency);
  }

  /** How many tasks have been started and have no result. */
  get #unfinished(): number {
    return this.#running + this.#retrying;
  }

  get #retrying(): number {
    return this.#waiting.size + this.#due.length;
  }

  #open(): void {
    const opened = this.#executor.open?.((error) => {
      this.#drain({ error: executorError(error) });
      this.#advance();
    });
    this.#state = opened ? "opening" : "open";
    const { signal } = this.#options;
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort);
    if (opened) this.#own(this.#awaitOpening(opened));
  }

  async #awaitOpening(opened: Promise<void>): Promise<void> {
    await opened.catch((error) => this.#endInput({ error: executorError(error) }));
    this.#state = "open";
    this.#advance();
  }

  /** Owns a part of the pool's work: an error that nobody expected ends the run, and never the program. */
  #own(work: Promise<void>): void {
    work.catch(this.#fail);
  }

  /** Does everything that can be done now: hands out results, starts and reads tasks, and closes when it is all over. */
  #advance(): void {
    while (this.#takers.length > 0 && !this.#returned) {
      const finished = this.#results.take();
      if (!finished) break;
      this.#takers.shift()!.resolve({ done: false, value: finished.result });
    }
    this.#startAttempts();
    if (this.#wantsTask() && !this.#reading) this.#own(this.#readTasks());
    if (this.#state === "open" && this.#inputEnded && this.#unfinished === 0) {
      this.#own(this.#close());
    }
    if (this.#state === "closed") this.#settleTakers();
  }

  /** Starts what there is a slot for: first what is to be tried again, then the task that was read. */
  #startAttempts(): void {
    while (!this.#draining && this.#running < this.#concurrency) {
      if (this.#due.length === 0 && !(this.#next && this.#hasRoom)) break;
      if (!this.#mayStart()) return;
      const job = this.#due.shift() ?? this.#next!;
      if (job === this.#next) this.#next = undefined;
      this.#own(this.#runAttempt(job));
    }
    this.#throttledBy = undefined;
  }

  /** One task is read ahead: whether there is another is not for the gate to keep secret. */
  #wantsTask(): boolean {
    return this.#state === "open" && !this.#inputEnded && this.#next === undefined &&
      this.#running < this.#concurrency && this.#hasRoom;
  }

  /** Whether there may be one more task that is not done. */
  get #hasRoom(): boolean {
    return this.#retrying < this.#window && this.#results.hasRoom(this.#unfinished);
  }

  /** Whether the gate is open. If it is not, it will be looked at again. */
  #mayStart(): boolean {
    const hold = this.#room.check(this.#running) ?? this.#gate?.check(this.#running);
    clearTimeout(this.#gateTimer);
    if (hold) this.#gateTimer = setTimeout(() => this.#advance(), hold.waitMs);
    const isNew = hold !== undefined && hold.reason !== this.#throttledBy;
    this.#throttledBy = hold?.reason;
    if (isNew) this.#reportProgress(); // never before a start: what is called may end the run
    return hold === undefined;
  }

  async #readTasks(): Promise<void> {
    this.#reading = true;
    try {
      while (this.#wantsTask()) {
        const { done, value } = await this.#source.next();
        if (done) this.#inputEnded = true;
        // While it was read the run may have been stopped, or a slot taken away.
        if (!this.#inputEnded) this.#next = this.#jobOf(value);
        this.#startAttempts();
      }
    } catch (error) {
      // A source that fails because it was left, in the middle of a read, is as good as one that ends.
      if (!this.#inputEnded) this.#endInput({ error });
    }
    this.#reading = false;
    this.#advance();
  }

  #jobOf(value: unknown): Job<Meta> {
    const sequence = ++this.#sequence;
    const task = checkTask(value, { number: sequence }) as CheckedTask<Meta>;
    return { task, id: String(task.id ?? sequence), sequence, cmdHash: commandHash(task.cmd), last: undefined };
  }

  /** Runs a task once, and says what comes after it: its result, or another attempt. */
  async #runAttempt(job: Job<Meta>): Promise<void> {
    const { task, id, sequence, cmdHash, last } = job;
    const number = (last?.meta.attempts ?? 0) + 1;
    const free = this.#slots.indexOf(undefined);
    const index = free === -1 ? this.#slots.length : free;
    const startedAt = new Date().toISOString();
    const { timeoutMs = this.#options.timeoutMs } = task;
    this.#running++;
    this.#gate?.started();
    const attempt = this.#attempt({ task, id, sequence, number, slot: index + 1, timeoutMs });
    this.#reportProgress();
    const end = await attempt;
    const hasRun = hasResult(end);
    // Only files, and of an attempt that nobody will see. When there was no other, the one before gives the result.
    if (last && hasRun) await this.#executor.discard(last.end).catch(() => {});
    this.#slots[index] = undefined;
    this.#running--;
    if (!hasRun) {
      if (end.ending.kind === "no-resources" && !this.#draining) return this.#startLater(job, end.ending.reason);
      this.#giveUp(job);
      return this.#advance();
    }
    this.#room.found();
    const meta = { id, attempts: number, slot: index + 1, startedAt, ...end.place, cmdHash };
    const result = toResult(meta, end, end.stoppedBy, task.meta);
    job.last = { meta, end };
    const { retry } = this.#options;
    if (!retry.on.has(result.outcome) || number > (task.retries ?? retry.limit)) this.#finish(job, result);
    else if (this.#draining) this.#giveUp(job);
    else this.#retryLater(job, number);
    this.#advance();
  }

  #retryLater(job: Job<Meta>, attempts: number): void {
    const delayMs = backoffMs(this.#options.retry.backoff, attempts);
    const retry = () => {
      this.#waiting.delete(job);
      this.#due.push(job);
      this.#advance();
    };
    if (delayMs === 0) this.#due.push(job);
    else this.#waiting.set(job, setTimeout(retry, delayMs));
  }

  /** Starts a task that could not be started when there is room for it, or ends the run when there never seems to be. */
  #startLater(job: Job<Meta>, reason: string): void {
    this.#due.push(job);
    if (!this.#room.lacked(this.#running)) {
      this.#drain({ error: new ResourceShortageError(`Cannot start any task: ${reason}`) });
    }
    this.#advance();
  }

  /** Gives the result of a task that may be tried again, and will not be. One that has never run has none. */
  #giveUp(job: Job<Meta>): void {
    if (!job.last) return this.#results.skip(job.sequence);
    const { meta, end } = job.last;
    this.#finish(job, toResult(meta, end, "not-retried", job.task.meta));
  }

  #finish({ sequence, last }: Job<Meta>, result: TaskResult<Meta>): void {
    this.#results.add(sequence, { result, end: last!.end });
    this.#finished++;
    if (result.outcome !== "ok" && result.outcome !== "canceled") this.#failed++;
    if (this.#halt?.meets(result)) {
      this.haltedBy = result;
      if (this.#options.halt!.when === "now") this.#stop(undefined);
      else this.#drain(undefined);
    }
    this.#reportProgress();
  }

  #reportProgress(): void {
    const { onProgress, total } = this.#options;
    this.#call(() =>
      onProgress?.({
        total,
        finished: this.#finished,
        failed: this.#failed,
        running: this.#running,
        retrying: this.#retrying,
        ...(this.#throttledBy && { throttledBy: this.#throttledBy }),
      })
    );
  }

  /** Runs one attempt to its end, with its hooks. An executor that fails ends the run; the attempt has a result even then. */
  async #attempt(attempt: Attempt): Promise<AttemptResult> {
    const slot: Slot = this.#slots[attempt.slot - 1] = {};
    const { env, onEnd } = this.#startHooks(attempt);
    const startedMs = performance.now();
    try {
      // The hook may have ended the run.
      if (!this.#draining) {
        slot.attempt = new RunningAttempt(
          this.#executor,
          env ? { ...attempt, env } : attempt,
          this.#options.killAfterMs,
        );
      }
      const result = await slot.attempt?.ended ?? resultWithoutOutput({ kind: "withdrawn" });
      this.#call(() => onEnd?.(result));
      return result;
    } catch (error) {
      const reason = `The executor failed: ${systemReason(error)}`;
      this.#drain({ error: new ExecutorError(reason, { cause: error }) }); // nor is anything to be tried again
      this.#call(() => onEnd?.(undefined));
      return resultWithoutOutput({ kind: "lost", reason }, performance.now() - startedMs);
    }
  }

  /** Returns the hooks of an attempt that is about to start. */
  #startHooks({ id, sequence, number, slot, task }: Attempt): AttemptHooks {
    const { onAttemptStart } = this.#options;
    if (!onAttemptStart) return {};
    return this.#call(() => checkAttemptHooks(onAttemptStart({ id, sequence, number, slot, task }))) ?? {};
  }

  /** Calls a callback of the caller. An error that it throws ends the run. */
  #call<T>(callback: () => T): T | undefined {
    try {
      return callback();
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #endInput(failure: { error: unknown } | undefined): void {
    this.#inputEnded = true;
    this.#failure ??= failure;
    // The first error is the one to report: a source that has failed may refuse to be canceled.
    this.#sourceCanceled ??= this.#source.cancel().catch(() => {});
  }

  #drain(failure: { error: unknown } | undefined): void {
    this.#draining = true;
    this.#endInput(failure);
    try {
      this.#executor.drain?.();
    } catch (error) {
      this.#failure ??= { error: executorError(error) };
    }
    this.#throttledBy = undefined;
    while (this.#due.length > 0) this.#giveUp(this.#due.shift()!);
    for (const [job, timer] of this.#waiting) {
      clearTimeout(timer);
      this.#waiting.delete(job);
      this.#giveUp(job);
    }
  }

  #stop(failure: { error: unknown } | undefined, killAfterMs?: number): void {
    this.#drain(failure);
    for (const slot of this.#slots) {
      slot?.attempt?.terminate("canceled", killAfterMs);
    }
    this.#advance();
  }

  async #close(): Promise<void> {
    this.#state = "closing";
    clearTimeout(this.#gateTimer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    await this.#sourceCanceled;
    try {
      await this.#executor.close();
    } catch (error) {
      this.#failure ??= { error: executorError(error) };
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
