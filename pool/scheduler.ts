import type { TaskResult } from "../records/result.ts";
import { systemReason } from "../system/system_error.ts";
import { type AttemptHooks, checkAttemptHooks } from "./attempt_hooks.ts";
import { backoffMs } from "./backoff.ts";
import { ExecutorError, executorError, ResourceShortageError } from "./errors.ts";
import { type Attempt, type AttemptResult, type Executor, resultWithoutOutput } from "./executor.ts";
import type { Finished, Job } from "./job.ts";
import { checkConcurrency, type PoolSettings } from "./options.ts";
import { hasResult, toResult } from "./outcome.ts";
import { LiveOutput } from "./live_output.ts";
import { RetryQueue } from "./retry_queue.ts";
import { RunningAttempt } from "./running_attempt.ts";
import { StartPolicy } from "./start_policy.ts";
import type { TaskFeed } from "./task_feed.ts";

/** Receives what a scheduler has to give. */
export interface SchedulerOutput {
  /** Returns true when another task may start beside `unfinished` tasks that have no result yet. */
  hasRoom(unfinished: number): boolean;
  /** Called with the result of a task, exactly once for each task that ran. May stop the scheduler. */
  add(job: Job, finished: Finished): void;
  /** Called for a task that was taken and ends without a result, because it never ran. */
  skip(job: Job): void;
  /** Called before each look for work, when results may have been added, and once when all is over. */
  deliver(): void;
}

const NO_HOOKS: AttemptHooks = {};

/** A slot in use. Its attempt is absent until the hooks of the attempt have been called. */
interface Slot {
  job: Job;
  attempt?: RunningAttempt;
}

/** The longest backlog of tasks that wait for something, so that memory stays bounded. */
export function maxBacklog(concurrency: number): number {
  return Math.max(1_000, 4 * concurrency);
}

/** Starts the attempts of tasks, retries them, and ends them when the run has to end. */
export class Scheduler {
  /** The first error that no result tells of. */
  failure: { error: unknown } | undefined;
  readonly #feed: TaskFeed;
  readonly #settings: PoolSettings;
  readonly #executor: Executor;
  readonly #output: SchedulerOutput;
  readonly #retries = new RetryQueue(() => this.tick());
  readonly #policy: StartPolicy;
  #concurrency: number;
  /** By slot, from 0. */
  readonly #slots: (Slot | undefined)[] = [];
  #running = 0;
  #finished = 0;
  #failed = 0;
  /** True when no attempt may start any more. */
  #isDraining = false;
  #state: "new" | "opening" | "open" | "closing" | "closed" = "new";
  readonly #closed = Promise.withResolvers<void>();
  readonly #reader = {
    wantsTask: () => this.#wantsTask,
    onTask: () => this.#startAttempts(),
    onError: (error: unknown) => this.#endFeed({ error }),
  };
  readonly #onAbort = () => this.stop({ error: this.#settings.signal!.reason });
  readonly #fail = (error: unknown) => this.stop({ error });

  constructor(feed: TaskFeed, settings: PoolSettings, executor: Executor, output: SchedulerOutput) {
    this.#feed = feed;
    this.#settings = settings;
    this.#executor = executor;
    this.#output = output;
    this.#concurrency = settings.concurrency;
    this.#policy = new StartPolicy(settings.startLimits, () => this.tick());
  }

  /** Settles when no process and no file is left; never rejects. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** True when no attempt starts any more. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The number of attempts that run. */
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

  /** Opens the executor, and starts the first tasks. Has no effect on a scheduler that has begun. */
  open(): void {
    if (this.#state === "new") {
      const opened = this.#executor.open?.((error) => {
        this.drain({ error: executorError(error) });
        this.tick();
      });
      this.#state = opened ? "opening" : "open";
      const { signal } = this.#settings;
      if (signal?.aborted) this.#onAbort();
      else signal?.addEventListener("abort", this.#onAbort);
      if (opened) this.#own(this.#awaitOpening(opened));
    }
    this.tick();
  }

  /** Does everything that can be done now: delivers results, starts and reads tasks, and closes when all is over. */
  tick(): void {
    this.#output.deliver();
    this.#startAttempts();
    const filling = this.#feed.fill?.(this.#reader);
    if (filling) this.#own(filling.then(() => this.tick()));
    if (this.#state === "open" && this.#feed.hasEnded && this.#unfinished === 0) this.close();
  }

  /** Stops starting attempts. Tasks that wait for a retry get their result now, those that never ran get none. */
  drain(failure?: { error: unknown }): void {
    this.#isDraining = true;
    this.#endFeed(failure);
    try {
      this.#executor.drain?.();
    } catch (error) {
      this.failure ??= { error: executorError(error) };
    }
    this.#policy.release();
    for (let job = this.#retries.takeAny(); job; job = this.#retries.takeAny()) this.#giveUp(job);
  }

  /** Drains, and terminates the attempts that run. */
  stop(failure?: { error: unknown }, killAfterMs?: number): void {
    this.drain(failure);
    for (const slot of this.#slots) slot?.attempt?.terminate("canceled", killAfterMs);
    this.tick();
  }

  /** Ends tasks, wherever they are. Ignores tasks that are not here. */
  cancel(jobs: readonly Job[]): void {
    for (const job of jobs) {
      job.isCanceled = true;
      if (this.#feed.remove?.(job)) this.#output.skip(job);
      else if (this.#retries.remove(job)) this.#giveUp(job);
      else this.#slots.find((slot) => slot?.job === job)?.attempt?.terminate("canceled");
    }
    this.tick();
  }

  /** Releases the source and the executor. Must not be called while attempts run. */
  close(): void {
    this.#own(this.#close());
  }

  /** Removes the files of an attempt that nobody gets to see. */
  discard(result: AttemptResult): Promise<void> {
    return this.#executor.discard(result);
  }

  async #awaitOpening(opened: Promise<void>): Promise<void> {
    await opened.catch((error) => this.#endFeed({ error: executorError(error) }));
    this.#state = "open";
    this.tick();
  }

  /** Owns a part of the work: an unexpected error ends the run, and never the program. */
  #own(work: Promise<void>): void {
    work.catch(this.#fail);
  }

  /** The number of tasks that have started and have no result. */
  get #unfinished(): number {
    return this.#running + this.#retries.size;
  }

  get #hasRoom(): boolean {
    return this.#retries.size < maxBacklog(this.#concurrency) && this.#output.hasRoom(this.#unfinished);
  }

  /** One task is read ahead, whatever the limits of starting: a run must notice the end of its input. */
  get #wantsTask(): boolean {
    return this.#state === "open" && this.#running < this.#concurrency && this.#hasRoom;
  }

  /** Starts attempts while slots are free: retries first, then the task that was read. */
  #startAttempts(): void {
    if (this.#state !== "open" && this.#state !== "opening") return;
    while (!this.#isDraining && this.#running < this.#concurrency) {
      if (!this.#retries.hasDue && !(this.#feed.next && this.#hasRoom)) break;
      if (!this.#mayStart()) return;
      this.#own(this.#runAttempt(this.#retries.takeDue() ?? this.#feed.take()));
    }
    this.#policy.release();
  }

  #mayStart(): boolean {
    const before = this.#policy.throttledBy;
    const isAllowed = this.#policy.allows(this.#running);
    // Never reported before a start: the callback may end the run.
    if (!isAllowed && this.#policy.throttledBy !== before) this.#reportProgress();
    return isAllowed;
  }

  /** Runs one attempt, then emits the result or schedules a retry. */
  async #runAttempt(job: Job): Promise<void> {
    const { task, id, sequence, cmdHash, lastAttempt } = job;
    const number = (lastAttempt?.meta.attempts ?? 0) + 1;
    const free = this.#slots.indexOf(undefined);
    const index = free === -1 ? this.#slots.length : free;
    const startedAt = new Date().toISOString();
    const { timeoutMs = this.#settings.timeoutMs } = task;
    this.#running++;
    this.#policy.recordStart();
    const attempt = this.#attempt(job, { task, id, sequence, number, slot: index + 1, timeoutMs });
    this.#reportProgress();
    const attemptResult = await attempt;
    const hasRun = hasResult(attemptResult);
    // The files of the attempt before, which nobody gets to see now.
    if (lastAttempt && hasRun) await this.#executor.discard(lastAttempt.result).catch(() => {});
    this.#slots[index] = undefined;
    this.#running--;
    const isOver = this.#isDraining || job.isCanceled;
    if (!hasRun) {
      if (attemptResult.ending.kind === "no-resources" && !isOver) {
        return this.#startLater(job, attemptResult.ending.reason);
      }
      this.#giveUp(job);
      return this.tick();
    }
    this.#policy.recordSuccess();
    const meta = { id, attempts: number, slot: index + 1, startedAt, ...attemptResult.place, cmdHash };
    const result = toResult(meta, attemptResult, attemptResult.stoppedBy, task.meta);
    job.lastAttempt = { meta, result: attemptResult };
    const { retry } = this.#settings;
    if (!retry.on.has(result.outcome) || number > (task.retries ?? retry.limit)) this.#finish(job, result);
    else if (isOver) this.#giveUp(job);
    else this.#retries.add(job, backoffMs(retry.backoff, number));
    this.tick();
  }

  /** Runs one attempt with its hooks. A failing executor ends the run, and yet every task that began has a result. */
  async #attempt(job: Job, attempt: Attempt): Promise<AttemptResult> {
    const slot: Slot = this.#slots[attempt.slot - 1] = { job };
    const { env, onEnd } = this.#startHooks(attempt);
    const startedMs = performance.now();
    try {
      const output = this.#liveOutput(attempt);
      // The hook may have ended the run.
      if (!this.#isDraining && !job.isCanceled) {
        const { killAfterMs } = this.#settings;
        slot.attempt = new RunningAttempt(this.#executor, env ? { ...attempt, env } : attempt, killAfterMs, output);
      }
      const result = await slot.attempt?.ended ?? resultWithoutOutput({ kind: "withdrawn" });
      output?.end();
      if (onEnd) this.#call(() => onEnd(result));
      return result;
    } catch (error) {
      const reason = `The executor failed: ${systemReason(error)}`;
      this.drain({ error: new ExecutorError(reason, { cause: error }) });
      if (onEnd) this.#call(() => onEnd(undefined));
      return resultWithoutOutput({ kind: "lost", reason }, performance.now() - startedMs);
    }
  }

  /** Queues a task that lacked resources, or ends the run when no task seems to get any. */
  #startLater(job: Job, reason: string): void {
    this.#retries.add(job, 0);
    if (!this.#policy.recordShortage(this.#running)) {
      this.drain({ error: new ResourceShortageError(`Cannot start any task: ${reason}`) });
    }
    this.tick();
  }

  /** Ends a task that could run again and will not. A task that never ran has no result. */
  #giveUp(job: Job): void {
    if (!job.lastAttempt) return this.#output.skip(job);
    const { meta, result } = job.lastAttempt;
    this.#finish(job, toResult(meta, result, "not-retried", job.task.meta));
  }

  #finish(job: Job, result: TaskResult): void {
    this.#finished++;
    if (result.outcome !== "ok" && result.outcome !== "canceled") this.#failed++;
    this.#output.add(job, { result, attemptResult: job.lastAttempt!.result });
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
        retrying: this.#retries.size,
        ...(throttledBy && { throttledBy }),
      })
    );
  }

  /** Returns the hooks of an attempt that is about to start. */
  #startHooks({ id, sequence, number, slot, task }: Attempt): AttemptHooks {
    const { onAttemptStart } = this.#settings;
    if (!onAttemptStart) return NO_HOOKS;
    return this.#call(() => checkAttemptHooks(onAttemptStart({ id, sequence, number, slot, task }))) ?? NO_HOOKS;
  }

  #liveOutput(attempt: Attempt): LiveOutput | undefined {
    const { onOutput, outputBy } = this.#settings;
    return onOutput && new LiveOutput(attempt, outputBy, (output) => this.#call(() => onOutput(output)));
  }

  /** Calls a function of the caller. An error that the function throws ends the run. */
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
    for (const job of this.#feed.end()) this.#output.skip(job);
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
