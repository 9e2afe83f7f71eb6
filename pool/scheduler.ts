import { isFailure, type TaskResult } from "../records/result.ts";
import { type AttemptHooks, checkAttemptHooks } from "./attempt_hooks.ts";
import { AttemptQueue, type QueuedAttempt } from "./attempt_queue.ts";
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
  attempt?: RunningAttempt | undefined;
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
  readonly #queue = new AttemptQueue();
  /** The tasks of withdrawn attempts, which start before all others. */
  readonly #withdrawn: Job[] = [];
  /** True when attempts may be queued: nothing depends on the result of an earlier task, or on the time of a start. */
  readonly #mayQueue: boolean;
  #rebalanceTimer: ReturnType<typeof setTimeout> | undefined;
  /** True while free slots take queued attempts although the feed may yield further tasks. */
  #isRebalancing = false;
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
    this.#mayQueue = executor.queuesAttempts === true && !settings.onAttemptStart && !settings.halt;
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
    this.#withdrawn.push(...this.#withdrawAll());
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
    for (const job of [...this.#withdrawn.splice(0), ...this.#withdrawAll()]) this.#giveUp(job);
  }

  /** Stops starting attempts, and terminates running ones. */
  stop(failure?: { error: unknown }, killAfterMs?: number): void {
    this.drain(failure);
    for (const slot of this.#slots) slot?.attempt?.terminate("canceled", killAfterMs);
    for (const { attempt } of this.#queue.values()) attempt.terminate("canceled", killAfterMs);
    this.tick();
  }

  /** Cancels tasks, waiting or running. Ignores unknown tasks. */
  cancel(jobs: readonly Job[]): void {
    for (const job of jobs) {
      job.isCanceled = true;
      if (this.#feed.remove?.(job)) this.#output.skip(job);
      else if (this.#retries.remove(job) || this.#removeQueued(job)) this.#giveUp(job);
      else this.#begunAttempt(job)?.terminate("canceled");
    }
    this.tick();
  }

  /** Removes a task from those whose attempt is queued or withdrawn. Returns false when it is not among them. */
  #removeQueued(job: Job): boolean {
    const index = this.#withdrawn.indexOf(job);
    if (index !== -1) this.#withdrawn.splice(index, 1);
    return index !== -1 || this.#queue.withdraw(job);
  }

  #begunAttempt(job: Job): RunningAttempt | undefined {
    const slot = this.#slots.find((slot) => slot?.job === job);
    return slot?.attempt ?? [...this.#queue.values()].find((queued) => queued.job === job)?.attempt;
  }

  /** Withdraws all queued attempts that have not begun. Returns their tasks, in order. */
  #withdrawAll(): Job[] {
    const jobs: Job[] = [];
    for (let job = this.#queue.withdrawFirst(); job; job = this.#queue.withdrawFirst()) jobs.push(job);
    return jobs.sort((one, other) => one.sequence - other.sequence);
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

  /** The number of tasks that have left the feed and have no result. */
  get #unfinished(): number {
    return this.#running + this.#retrying + this.#queue.size + this.#withdrawn.length;
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
    if (this.#feed.workflow !== undefined) return true;
    return (this.#usedSlots < this.#concurrency || this.#openIndex !== undefined) && this.#hasRoom;
  }

  /** The index of a slot behind whose attempt another one should be queued; `undefined` when there is none. */
  get #openIndex(): number | undefined {
    if (!this.#mayQueue || this.#isDraining || this.#feed.workflow || !this.#policy.isUnlimited) return undefined;
    // A single slot runs the tasks one after the other: the next one may be meant to follow the end of the last one.
    if (this.#concurrency === 1 || this.#usedSlots !== this.#concurrency || !this.#queue.isWorthwhile) return undefined;
    return this.#queue.openIndex(this.#concurrency);
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

  /** Starts attempts while slots are free: retries before tasks of the feed. Then queues attempts. */
  #startAttempts(): void {
    if (this.#state !== "open") return;
    while (!this.#isDraining && this.#usedSlots < this.#concurrency) {
      const freeSlots = this.#freeSlots;
      const hasRoom = this.#hasRoom;
      const hasNext = this.#hasNext(freeSlots, hasRoom);
      if (!hasNext && this.#queue.size === 0) break;
      if (!this.#mayStart()) return;
      const job = hasNext ? this.#takeNext(freeSlots, hasRoom) : this.#takeQueued();
      if (!job) break;
      this.#own(this.#runAttempt(job));
    }
    this.#policy.release();
    for (let index = this.#openIndex; index !== undefined; index = this.#openIndex) {
      const job = this.#takeFollowing(this.#slots[index]!.job);
      if (!job) break;
      this.#queueAttempt(job, index);
    }
  }

  #hasNext(freeSlots: number, hasRoom: boolean): boolean {
    return this.#retries.hasDue || this.#withdrawn.length > 0 || this.#feed.hasNext(freeSlots, hasRoom);
  }

  /** Removes and returns the next task. Returns `undefined` when the feed cannot read it. */
  #takeNext(freeSlots: number, hasRoom: boolean): Job | undefined {
    return this.#withdrawn.shift() ?? this.#retries.takeDue() ?? this.#queue.withdrawStuck() ??
      this.#feed.take(freeSlots, hasRoom);
  }

  /**
   * Removes and returns the next task, to wait behind a running one. Returns `undefined` when the next task needs a free
   * slot: a running task may wait for the result of an earlier one, which would never begin.
   */
  #takeFollowing(running: Job): Job | undefined {
    const hasRoom = this.#hasRoom;
    if (this.#retries.hasDue || !this.#hasNext(1, hasRoom)) return undefined;
    const job = this.#takeNext(1, hasRoom);
    if (!job || job.sequence > running.sequence) return job;
    this.#withdrawn.unshift(job);
    return undefined;
  }

  /** Withdraws a queued attempt for a free slot, and returns its task. First gives the feed a moment to yield a task. */
  #takeQueued(): Job | undefined {
    if (this.#feed.hasEnded || this.#isRebalancing) return this.#queue.withdrawFirst();
    this.#rebalanceTimer ??= setTimeout(() => {
      this.#rebalanceTimer = undefined;
      this.#isRebalancing = true;
      this.tick();
      this.#isRebalancing = false;
    });
    return undefined;
  }

  #mayStart(): boolean {
    const before = this.#policy.throttledBy;
    const isAllowed = this.#policy.allows(this.#running);
    // Not before a start, because the callback may end the run.
    if (!isAllowed && this.#policy.throttledBy !== before) this.#reportProgress();
    return isAllowed;
  }

  /** Hands an attempt to the executor that begins after the running one in a slot. */
  #queueAttempt(job: Job, index: number): void {
    const attempt = this.#nextAttempt(job, index);
    const output = this.#liveOutput(attempt);
    this.#queue.add(index, { job, output, attempt: this.#launch(attempt, output) });
  }

  #nextAttempt({ task, id, sequence, lastAttempt }: Job, index: number): Attempt {
    const { timeoutMs = this.#settings.timeoutMs } = task;
    return { task, id, sequence, number: (lastAttempt?.meta.attempts ?? 0) + 1, slot: index + 1, timeoutMs };
  }

  #launch(attempt: Attempt, output: LiveOutput | undefined): RunningAttempt {
    return new RunningAttempt(this.#executor, attempt, this.#settings.killAfterMs, {
      output,
      onError: (error) => {
        this.#failAttempt(error);
        this.tick();
      },
    });
  }

  /**
   * Runs one attempt, then emits the result or schedules a retry.
   *
   * @param index The index of the slot.
   * @param queued The attempt, if it was queued for the slot.
   */
  async #runAttempt(job: Job, index = this.#freeIndex, queued?: QueuedAttempt): Promise<void> {
    const { task, id, cmdHash, lastAttempt } = job;
    const startedAt = new Date(queued?.attempt.startedAtMs ?? Date.now()).toISOString();
    const { slots = 1 } = task;
    this.#running++;
    this.#usedSlots += slots;
    this.#policy.recordStart();
    this.#queue.recordStart(index);
    const furtherIndexes = slots > 1 ? this.#reserveSlots(job, index, slots) : undefined;
    const next = this.#nextAttempt(job, index);
    const { number } = next;
    const attempt = this.#attempt(job, next, queued);
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
    const following = this.#queue.recordEnd(index, attemptResult.durationMs);
    if (following) this.#own(this.#runAttempt(following.job, index, following));
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
  async #attempt(job: Job, attempt: Attempt, queued: QueuedAttempt | undefined): Promise<AttemptResult> {
    const slot: Slot = this.#slots[attempt.slot - 1] = { job };
    const { env: ownEnv, onEnd } = this.#startHooks(attempt);
    const units = this.#feed.workflow?.variablesOf(job);
    const env = units ? { ...units, ...ownEnv } : ownEnv;
    const startedMs = performance.now();
    const output = queued ? queued.output : this.#liveOutput(attempt);
    try {
      // The hook may have drained the run.
      const mayStart = !this.#isDraining && !job.isCanceled;
      slot.attempt = queued?.attempt ??
        (mayStart ? this.#launch(env ? { ...attempt, env } : attempt, output) : undefined);
      const result = await slot.attempt?.ended ?? resultWithoutOutput({ kind: "withdrawn" });
      if (output) await output.end();
      if (onEnd) this.#call(() => onEnd(result));
      return result;
    } catch (error) {
      const { message } = this.#failAttempt(error);
      if (output) await output.end();
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
    clearTimeout(this.#rebalanceTimer);
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
