import { isFailure, type TaskResult } from "../records/result.ts";
import { type AttemptHooks, checkAttemptHooks } from "./attempt_hooks.ts";
import { backoffMs } from "./backoff.ts";
import { attemptError, type ExecutorError, executorError, ResourceShortageError } from "./errors.ts";
import { type Attempt, type AttemptResult, type Executor, resultWithoutOutput } from "./executor.ts";
import { withLatestAttempt } from "./earlier_attempts.ts";
import type { Finished, Job } from "./job.ts";
import { checkConcurrency, type PoolSettings } from "./options.ts";
import { hasResult, skippedResult, toResult, workflowFieldsOf } from "./outcome.ts";
import { LiveOutput } from "./live_output.ts";
import { RetryQueue } from "./retry_queue.ts";
import { RunningAttempt } from "./running_attempt.ts";
import { StartPolicy } from "./start_policy.ts";
import type { TaskFeed } from "./task_feed.ts";
import type { WorkflowFeed } from "./workflow/workflow_feed.ts";

/** Receives the results of a scheduler. */
export interface SchedulerOutput {
  /** Returns whether another task may start beside `unfinished` tasks. */
  hasRoom(unfinished: number): boolean;
  /** Called exactly once for each task that ran, with its result. May stop the scheduler. */
  add(job: Job, finished: Finished): void;
  /** Called for a task that never ran and therefore has no result. */
  skip(job: Job): void;
  /** Called for a task of a workflow that has no new result, with its position in the input. */
  skipAt?(sequence: number): void;
  /** Called at each tick, when results may have been added, and once after the executor has closed. */
  deliver(): void;
}

const NO_HOOKS: AttemptHooks = {};
const NONE: readonly number[] = [];

/**
 * A slot in use. The attempt is absent until its start hook has returned, and in the further slots of a task that occupies
 * several.
 */
interface Slot {
  job: Job;
  attempt?: RunningAttempt;
}

/** Returns the maximum number of waiting tasks or results, which bounds memory. */
export function maxBacklog(concurrency: number): number {
  return Math.max(1_000, 4 * concurrency);
}

/** Starts attempts, retries tasks, and terminates attempts when the run ends early. */
export class Scheduler {
  /** The first error that ended the run. */
  failure: { error: unknown } | undefined;
  readonly #feed: TaskFeed;
  readonly #settings: PoolSettings;
  readonly #executor: Executor;
  readonly #output: SchedulerOutput;
  readonly #retries = new RetryQueue(() => this.tick());
  readonly #policy: StartPolicy;
  #concurrency: number;
  /** Slots in use, by slot number minus 1. */
  readonly #slots: (Slot | undefined)[] = [];
  #running = 0;
  #usedSlots = 0;
  #finished = 0;
  #failed = 0;
  #isDraining = false;
  /** True after an error of a callback. */
  #hasFailed = false;
  #state: "new" | "opening" | "open" | "closing" | "closed" = "new";
  readonly #closed = Promise.withResolvers<void>();
  readonly #onSourceError = (error: unknown) => this.#endFeed({ error });
  readonly #onAbort = () => this.stop({ error: this.#settings.signal!.reason });
  readonly #fail = (error: unknown) => {
    this.#hasFailed = true;
    this.stop({ error });
  };

  constructor(feed: TaskFeed, settings: PoolSettings, executor: Executor, output: SchedulerOutput) {
    this.#feed = feed;
    this.#settings = settings;
    this.#executor = executor;
    this.#output = output;
    this.#concurrency = settings.concurrency;
    this.#policy = new StartPolicy(settings.startLimits, () => this.tick());
  }

  /** Resolves when the executor has closed. Never rejects. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** True once no further attempt starts. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The number of running attempts. */
  get running(): number {
    return this.#running;
  }

  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(concurrency: number) {
    this.#concurrency = checkConcurrency(concurrency, "Cannot change the concurrency");
    this.tick();
  }

  /** Opens the executor on the first call, and starts tasks. */
  open(): void {
    if (this.#state === "new") {
      const opened = this.#openExecutor();
      this.#state = opened ? "opening" : "open";
      const { signal } = this.#settings;
      if (signal?.aborted) this.#onAbort();
      else signal?.addEventListener("abort", this.#onAbort);
      if (opened) this.#own(this.#awaitOpening(opened));
    }
    this.tick();
  }

  #openExecutor(): Promise<void> | undefined {
    try {
      return this.#executor.open?.((error) => {
        this.drain({ error: executorError(error) });
        this.tick();
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Advances the run: delivers results, starts and reads tasks, and closes the executor after the last task. */
  tick(): void {
    this.#output.deliver();
    if (this.#feed.workflow) this.#advance(this.#feed.workflow);
    this.#startAttempts();
    const filling = this.#wantsTask ? this.#feed.fill?.(this.#onSourceError, this.#unfinished === 0) : undefined;
    if (filling) this.#own(filling.then(() => this.tick()));
    if (this.#state === "open" && this.#feed.hasEnded && this.#unfinished === 0) this.close();
  }

  /** Stops starting attempts. Tasks that wait for a retry get their result; tasks that never ran get none. */
  drain(failure?: { error: unknown }): void {
    this.#isDraining = true;
    this.#endFeed(failure);
    this.#own(this.#drainExecutor());
    this.#policy.release();
    for (let job = this.#takeRetry(); job; job = this.#takeRetry()) this.#giveUp(job);
  }

  /** Stops starting attempts, and terminates running ones. */
  stop(failure?: { error: unknown }, killAfterMs?: number): void {
    this.drain(failure);
    for (const slot of this.#slots) slot?.attempt?.terminate("canceled", killAfterMs);
    this.tick();
  }

  /** Cancels tasks, waiting or running. Ignores unknown tasks. */
  cancel(jobs: readonly Job[]): void {
    for (const job of jobs) {
      job.isCanceled = true;
      if (this.#feed.remove?.(job)) this.#output.skip(job);
      else if (this.#retries.remove(job)) this.#giveUp(job);
      else this.#slots.find((slot) => slot?.job === job)?.attempt?.terminate("canceled");
    }
    this.tick();
  }

  /** Closes the executor after the source. Must not be called while attempts run. */
  close(): void {
    this.#own(this.#close());
  }

  /** Deletes the output files of an attempt whose result is not delivered. An error of the executor ends the run. */
  async discard(result: AttemptResult): Promise<void> {
    try {
      await this.#executor.discard(result);
    } catch (error) {
      this.#failAttempt(error);
    }
  }

  async #awaitOpening(opened: Promise<void>): Promise<void> {
    try {
      await opened;
    } catch (error) {
      this.#isDraining = true;
      this.#endFeed({ error: executorError(error) });
    }
    this.#state = "open";
    this.tick();
  }

  async #drainExecutor(): Promise<void> {
    // The executor may have released everything.
    if (this.#state === "closing" || this.#state === "closed") return;
    try {
      const returned: unknown = this.#executor.drain?.();
      await returned; // an async method can reject, although its type is void
    } catch (error) {
      this.failure ??= { error: executorError(error) };
    }
  }

  /** Ends the run after an error of the executor. Running attempts finish. */
  #failAttempt(error: unknown): ExecutorError {
    const failure = attemptError(error);
    this.drain({ error: failure });
    return failure;
  }

  /** Handles unexpected errors of background work, which end the run instead of the program. */
  #own(work: Promise<void>): void {
    work.catch(this.#fail);
  }

  /** The number of started tasks without a result. */
  get #unfinished(): number {
    return this.#running + this.#retrying;
  }

  /** The number of tasks that wait for a retry. */
  get #retrying(): number {
    return this.#retries.size + (this.#feed.workflow?.retrying ?? 0);
  }

  get #hasRoom(): boolean {
    return this.#retrying < maxBacklog(this.#concurrency) && this.#output.hasRoom(this.#unfinished);
  }

  /** Removes and returns a task that waits for a retry. */
  #takeRetry(): Job | undefined {
    return this.#feed.workflow?.takeRetry() ?? this.#retries.takeAny();
  }

  /** Ignores the start limits, because the run must notice the end of its input. */
  get #wantsTask(): boolean {
    if (this.#state !== "open") return false;
    return this.#feed.workflow !== undefined || this.#usedSlots < this.#concurrency && this.#hasRoom;
  }

  /** The number of free slots; without running attempts, any task may start. */
  get #freeSlots(): number {
    return this.#running === 0 ? Infinity : this.#concurrency - this.#usedSlots;
  }

  /** Queues the due retries of a workflow, and adds the results of tasks that do not run. */
  #advance(workflow: WorkflowFeed): void {
    if (this.#isDraining) return; // the drain takes the retries
    for (let job = this.#retries.takeDue(); job; job = this.#retries.takeDue()) workflow.retry(job);
    while (!this.#isDraining && this.#hasRoom) {
      const decided = workflow.takeDecided();
      if (decided === undefined) return;
      if (typeof decided === "number") this.#output.skipAt?.(decided);
      else {
        const { job, error } = decided;
        this.#finish(job, skippedResult(job, error, this.#settings.recordCommand), undefined);
      }
      this.#output.deliver();
    }
  }

  /** Starts attempts while slots are free: retries first, then the next task of the feed. */
  #startAttempts(): void {
    if (this.#state !== "open") return;
    while (!this.#isDraining && this.#usedSlots < this.#concurrency) {
      const freeSlots = this.#freeSlots;
      const hasRoom = this.#hasRoom;
      if (!this.#retries.hasDue && !this.#feed.hasNext(freeSlots, hasRoom)) break;
      if (!this.#mayStart()) return;
      const job = this.#retries.takeDue() ?? this.#feed.take(freeSlots, hasRoom);
      if (!job) break;
      this.#own(this.#runAttempt(job));
    }
    this.#policy.release();
  }

  #mayStart(): boolean {
    const before = this.#policy.throttledBy;
    const isAllowed = this.#policy.allows(this.#running);
    // Not before a start, because the callback may end the run.
    if (!isAllowed && this.#policy.throttledBy !== before) this.#reportProgress();
    return isAllowed;
  }

  /** Runs one attempt, then emits the result or schedules a retry. */
  async #runAttempt(job: Job): Promise<void> {
    const { task, id, sequence, cmdHash, lastAttempt } = job;
    const number = (lastAttempt?.meta.attempts ?? 0) + 1;
    const index = this.#freeIndex;
    const startedAt = new Date().toISOString();
    const { timeoutMs = this.#settings.timeoutMs, slots = 1 } = task;
    this.#running++;
    this.#usedSlots += slots;
    this.#policy.recordStart();
    const furtherIndexes = slots > 1 ? this.#reserveSlots(job, index, slots) : undefined;
    const attempt = this.#attempt(job, { task, id, sequence, number, slot: index + 1, timeoutMs });
    this.#reportProgress();
    const attemptResult = await attempt;
    const hasRun = hasResult(attemptResult);
    let earlierAttempts: TaskResult["earlierAttempts"];
    if (lastAttempt && hasRun) {
      // This attempt replaces the result of the previous one.
      earlierAttempts = await withLatestAttempt(lastAttempt);
      await this.discard(lastAttempt.result);
    }
    this.#slots[index] = undefined;
    for (const further of furtherIndexes ?? NONE) this.#slots[further] = undefined;
    this.#running--;
    this.#usedSlots -= slots;
    this.#feed.workflow?.release(job);
    const isOver = this.#isDraining || job.isCanceled;
    if (!hasRun) {
      if (attemptResult.ending.kind === "no-resources" && !isOver) {
        return this.#startLater(job, attemptResult.ending.reason);
      }
      this.#giveUp(job);
      return this.tick();
    }
    this.#policy.recordSuccess();
    const cmd = this.#settings.recordCommand ? task.cmd : undefined;
    const meta = {
      id,
      attempts: number,
      slot: index + 1,
      startedAt,
      ...attemptResult.place,
      earlierAttempts,
      cmdHash,
      cmd,
      workflow: workflowFieldsOf(task),
    };
    const result = toResult(meta, attemptResult, attemptResult.stoppedBy, task.meta);
    job.lastAttempt = { meta, result: attemptResult };
    const { retry } = this.#settings;
    if (!retry.on.has(result.outcome) || number > (task.retries ?? retry.limit)) {
      this.#finish(job, result, attemptResult);
    } else if (isOver) this.#giveUp(job);
    else this.#retries.add(job, backoffMs(retry.backoff, number));
    this.tick();
  }

  /** The index of the lowest free slot. */
  get #freeIndex(): number {
    const free = this.#slots.indexOf(undefined);
    return free === -1 ? this.#slots.length : free;
  }

  /** Occupies further slots for a task, besides the slot with an index. Returns their indexes. */
  #reserveSlots(job: Job, index: number, slots: number): number[] {
    this.#slots[index] = { job };
    return Array.from({ length: slots - 1 }, () => {
      const further = this.#freeIndex;
      this.#slots[further] = { job };
      return further;
    });
  }

  /** Runs one attempt with its hooks. An error of the executor ends the run; the task still gets a result. */
  async #attempt(job: Job, attempt: Attempt): Promise<AttemptResult> {
    const slot: Slot = this.#slots[attempt.slot - 1] = { job };
    const { env: ownEnv, onEnd } = this.#startHooks(attempt);
    const units = this.#feed.workflow?.variablesOf(job);
    const env = units ? { ...units, ...ownEnv } : ownEnv;
    const startedMs = performance.now();
    const output = this.#liveOutput(attempt);
    try {
      // The hook may have drained the run.
      if (!this.#isDraining && !job.isCanceled) {
        const { killAfterMs } = this.#settings;
        slot.attempt = new RunningAttempt(this.#executor, env ? { ...attempt, env } : attempt, killAfterMs, {
          output,
          onError: (error) => {
            this.#failAttempt(error);
            this.tick();
          },
        });
      }
      const result = await slot.attempt?.ended ?? resultWithoutOutput({ kind: "withdrawn" });
      await output?.end();
      if (onEnd) this.#call(() => onEnd(result));
      return result;
    } catch (error) {
      const { message } = this.#failAttempt(error);
      await output?.end();
      if (onEnd) this.#call(() => onEnd(undefined));
      return resultWithoutOutput({ kind: "lost", reason: message }, performance.now() - startedMs);
    }
  }

  /** Queues a task for which resources were lacking, or ends the run after too many such failures. */
  #startLater(job: Job, reason: string): void {
    this.#retries.add(job, 0);
    if (!this.#policy.recordShortage(this.#running)) {
      this.drain({ error: new ResourceShortageError(`Cannot start any task: ${reason}`) });
    }
    this.tick();
  }

  /** Ends a task that will not run again: with the result of its last attempt, or without a result if it never ran. */
  #giveUp(job: Job): void {
    if (!job.lastAttempt) return this.#output.skip(job);
    const { meta, result } = job.lastAttempt;
    this.#finish(job, toResult(meta, result, "not-retried", job.task.meta), result);
  }

  #finish(job: Job, result: TaskResult, attemptResult: AttemptResult | undefined): void {
    this.#finished++;
    if (isFailure(result.outcome)) this.#failed++;
    this.#feed.finish?.(job, result.outcome);
    this.#output.add(job, { result, attemptResult });
    this.#reportProgress();
  }

  #reportProgress(): void {
    const { onProgress, total } = this.#settings;
    if (!onProgress) return;
    const { throttledBy } = this.#policy;
    this.#call(() =>
      onProgress({
        total,
        finished: this.#finished,
        failed: this.#failed,
        running: this.#running,
        retrying: this.#retrying,
        ...(throttledBy && { throttledBy }),
      })
    );
  }

  /** Calls the start hook, and returns the hooks of the attempt. */
  #startHooks({ id, sequence, number, slot, task }: Attempt): AttemptHooks {
    const { onAttemptStart } = this.#settings;
    if (!onAttemptStart) return NO_HOOKS;
    return this.#call(() => checkAttemptHooks(onAttemptStart({ id, sequence, number, slot, task }))) ?? NO_HOOKS;
  }

  #liveOutput(attempt: Attempt): LiveOutput | undefined {
    const { onOutput, outputBy } = this.#settings;
    return onOutput && new LiveOutput(attempt, outputBy, (output) => {
      if (this.#hasFailed) return undefined; // the files may contain much more output
      const taken = this.#call(() => onOutput(output));
      return isPromise(taken) ? Promise.resolve(taken).then(() => {}, this.#fail) : undefined;
    });
  }

  /** Calls a callback of the caller. An error thrown by the callback ends the run. */
  #call<T>(callback: () => T): T | undefined {
    try {
      return callback();
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #endFeed(failure: { error: unknown } | undefined): void {
    this.failure ??= failure;
    const { jobs, positions } = this.#feed.end();
    for (const job of jobs) this.#giveUp(job);
    for (const sequence of positions) this.#output.skipAt?.(sequence);
  }

  async #close(): Promise<void> {
    this.#state = "closing";
    this.#policy.close();
    this.#settings.signal?.removeEventListener("abort", this.#onAbort);
    await this.#feed.released;
    try {
      await this.#executor.close();
    } catch (error) {
      this.failure ??= { error: executorError(error) };
    }
    this.#state = "closed";
    this.#closed.resolve();
    this.#output.deliver();
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === "function";
}
