import { InvalidTaskError } from "../records/invalid_task_error.ts";
import { isFailure, type TaskResult } from "../records/result.ts";
import type { Task } from "../records/task.ts";
import { excerpt } from "../text/excerpt.ts";
import type { Executor } from "./executor.ts";
import type { Job } from "./job.ts";
import { checkConcurrency, type PoolOptions, type PoolSettings, poolSettings, type Progress } from "./options.ts";
import { Scheduler } from "./scheduler.ts";
import { SignalWatch } from "./signal_watch.ts";
import { createJob, isWorkflowTask, TaskQueue } from "./task_feed.ts";
import type { WorkflowOptions } from "./workflow_options.ts";

/** Options of a pool to which a program adds tasks one by one. */
export type TaskPoolOptions = Omit<PoolOptions, "halt" | "keepOrder" | "total" | keyof WorkflowOptions>;

/** Options of {@linkcode TaskPool.run}. */
export interface TaskOptions {
  /**
   * A signal that cancels the task. A running task is terminated with its process group; a waiting task never starts. The
   * promise rejects with a {@linkcode TaskAbortError}.
   *
   * @default no signal
   */
  signal?: AbortSignal | undefined;
}

/** A bounded pool to which a program can add tasks at any time. Each task has its own promise. */
export interface TaskPool extends AsyncDisposable {
  /** The maximum number of tasks that run at once. Can be changed at any time; running tasks continue. */
  concurrency: number;
  /** The number of tasks that wait for a slot or for a retry. */
  readonly size: number;
  /** The number of running tasks. */
  readonly pending: number;
  /**
   * Runs a task as soon as a slot is free.
   *
   * @param task A task, or only its command: a string for a shell, or an array of a program and its arguments.
   * @returns the result, even of a failed task: a failure is an outcome, not an error.
   * @throws {TaskAbortError} (as a rejection) when the signal or the disposal of the pool ends the task.
   * @throws {InvalidTaskError} (as a rejection) when the value is not a task, or has a field for workflows, such as
   * `after`.
   * @throws `Error` (as a rejection) when the pool is closed, or when the executor cannot start further tasks.
   */
  run<Meta = unknown>(task: Task<Meta> | Task["cmd"], options?: TaskOptions): Promise<TaskResult<Meta>>;
  /** Resolves when no task waits or runs. Never rejects. */
  onIdle(): Promise<void>;
  /**
   * Rejects new tasks and finishes the added ones. Resolves when the processes and temporary files of the pool are gone.
   * Never rejects.
   */
  close(): Promise<void>;
  /** Rejects new tasks and terminates running ones. Resolves when the processes and temporary files of the pool are gone. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The error of {@linkcode TaskPool.run} for a canceled task. Its `name` is `AbortError`, as for aborted calls of the
 * platform; `cause` is the reason of the signal.
 */
export class TaskAbortError extends Error {
  /** The name of errors of aborted operations. */
  override readonly name: string = "AbortError";
  /** The result, with the output until the cancellation; `undefined` when the task never ran. */
  readonly result: TaskResult | undefined;

  /** Creates the error of a canceled task. */
  constructor(id: string, cause: unknown, result: TaskResult | undefined) {
    super(`Task ${JSON.stringify(id)} was canceled`, { cause });
    this.result = result;
  }
}

/**
 * Time without a task after which a pool ends its idle shells, in milliseconds. Idle shells would keep the program
 * alive, and programs seldom close their pools.
 */
const IDLE_MS = 100;

/** A task whose promise has not settled. */
interface Pending extends PromiseWithResolvers<TaskResult> {
  signal: AbortSignal | undefined;
}

/** A scheduler, and the queue that feeds it. */
interface Session {
  scheduler: Scheduler;
  queue: TaskQueue;
}

/**
 * Runs the tasks of a program in sessions, each with its own scheduler. A session lasts until the pool has been idle for
 * {@linkcode IDLE_MS}, or until a failure.
 */
export class QueuedTaskPool implements TaskPool {
  readonly #settings: PoolSettings;
  readonly #createExecutor: () => Executor;
  readonly #closesWhenIdle: boolean;
  /** The executor of the first session, created early for its default concurrency. */
  #executor: Executor | undefined;
  #current: Session | undefined;
  /** The sessions that have not closed. At most one of them starts tasks. */
  readonly #open = new Set<Session>();
  readonly #pending = new Map<Job, Pending>();
  readonly #signals = new SignalWatch<Job>((jobs) => {
    for (const { scheduler } of this.#open) scheduler.cancel(jobs);
  });
  #idle: PromiseWithResolvers<void> | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #sequence = 0;
  #concurrency: number;
  #isClosed = false;
  #finished = 0;
  #failed = 0;

  /**
   * Creates a pool without tasks.
   *
   * @param createExecutor Called for each session. May throw when no further session is possible.
   * @param closesWhenIdle Whether to end the session of an idle pool: for an executor that keeps the program alive and is
   * cheap to open.
   */
  constructor(options: TaskPoolOptions, createExecutor: () => Executor, closesWhenIdle: boolean) {
    this.#createExecutor = createExecutor;
    this.#closesWhenIdle = closesWhenIdle;
    this.#executor = createExecutor();
    this.#settings = poolSettings(options, undefined, this.#executor);
    this.#concurrency = this.#settings.concurrency;
  }

  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(concurrency: number) {
    this.#concurrency = checkConcurrency(concurrency, "Cannot change the concurrency");
    for (const { scheduler } of this.#open) scheduler.concurrency = concurrency;
  }

  get size(): number {
    return this.#pending.size - this.pending;
  }

  get pending(): number {
    let running = 0;
    for (const { scheduler } of this.#open) running += scheduler.running;
    return running;
  }

  run<Meta = unknown>(task: Task<Meta> | Task["cmd"], options?: TaskOptions): Promise<TaskResult<Meta>> {
    const signal = options?.signal;
    const pending = { ...Promise.withResolvers<TaskResult>(), signal };
    try {
      if (this.#isClosed) throw new Error("Cannot run a task: the pool is closed");
      const isCommand = typeof task === "string" || Array.isArray(task);
      const job = createJob(isCommand ? { cmd: task } : task, ++this.#sequence);
      if (isWorkflowTask(job.task)) throw workflowError(job);
      if (signal?.aborted) throw new TaskAbortError(job.id, signal.reason, undefined);
      this.#add(job, pending);
    } catch (error) {
      if (error instanceof TaskAbortError) pending.promise.catch(() => {}); // as in #abandon()
      pending.reject(error);
    }
    return pending.promise as Promise<TaskResult<Meta>>;
  }

  onIdle(): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endSession();
    await this.#closed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#idleTimer);
    for (const { scheduler } of this.#open) scheduler.stop();
    await this.#closed();
  }

  async #closed(): Promise<void> {
    await Promise.all([...this.#open].map(({ scheduler }) => scheduler.closed));
  }

  #add(job: Job, pending: Pending): void {
    clearTimeout(this.#idleTimer);
    if (!this.#current || this.#current.scheduler.isDraining) this.#current = this.#createSession();
    const { queue, scheduler } = this.#current;
    this.#pending.set(job, pending);
    if (pending.signal) this.#signals.add(pending.signal, job);
    queue.add(job);
    // A failed session may still run tasks. The next session waits for its end.
    if (this.#open.size === 1) scheduler.open();
  }

  #createSession(): Session {
    const { onProgress } = this.#settings;
    const executor = this.#executor ?? this.#createExecutor();
    this.#executor = undefined;
    const queue = new TaskQueue();
    const settings = {
      ...this.#settings,
      concurrency: this.#concurrency,
      onProgress: onProgress && ((progress: Progress) => {
        onProgress({ ...progress, finished: this.#finished, failed: this.#failed });
      }),
    };
    const scheduler: Scheduler = new Scheduler(queue, settings, executor, {
      hasRoom: () => true,
      add: (job, { result }) => this.#finish(job, result, scheduler),
      skip: (job) => this.#abandon(job, undefined, scheduler),
      deliver: () => {},
    });
    const session = { scheduler, queue };
    this.#open.add(session);
    const openNext = () => {
      this.#open.delete(session);
      const [next] = this.#open;
      next?.scheduler.open();
    };
    scheduler.closed.then(openNext, openNext);
    return session;
  }

  #finish(job: Job, result: TaskResult, scheduler: Scheduler): void {
    this.#finished++;
    if (result.outcome === "canceled") return this.#abandon(job, result, scheduler);
    if (isFailure(result.outcome)) this.#failed++;
    this.#take(job).resolve(result);
  }

  /** Rejects the promise of a canceled task. */
  #abandon(job: Job, result: TaskResult | undefined, { failure }: Scheduler): void {
    const { signal, promise, reject } = this.#take(job);
    promise.catch(() => {}); // a dropped promise must not end the program
    const poolSignal = this.#settings.signal;
    if (job.isCanceled) reject(new TaskAbortError(job.id, signal!.reason, result));
    else if (poolSignal?.aborted) reject(new TaskAbortError(job.id, poolSignal.reason, result));
    else reject(failure?.error ?? new TaskAbortError(job.id, new Error("The pool was disposed"), result));
  }

  /** Removes an ended task. */
  #take(job: Job): Pending {
    const pending = this.#pending.get(job)!;
    this.#pending.delete(job);
    if (pending.signal) this.#signals.remove(pending.signal, job);
    if (this.#pending.size === 0) this.#becomeIdle();
    return pending;
  }

  #becomeIdle(): void {
    this.#idle?.resolve();
    this.#idle = undefined;
    if (this.#closesWhenIdle && !this.#isClosed) this.#idleTimer = setTimeout(() => this.#endSession(), IDLE_MS);
  }

  /** Ends the session after its current tasks. */
  #endSession(): void {
    clearTimeout(this.#idleTimer);
    const { queue, scheduler } = this.#current ?? {};
    this.#current = undefined;
    queue?.finishAdding();
    scheduler?.tick();
  }
}

/** Returns the error for a task that needs more than its turn. */
function workflowError({ task, sequence }: Job): InvalidTaskError {
  const field = (["after", "priority", "uses", "slots"] as const).find((name) => task[name] !== undefined)!;
  const problem = `${
    excerpt(field)
  } is for run() and TaskRunner; a pool starts tasks in the order in which they are added`;
  return new InvalidTaskError(problem, { number: sequence, field });
}
