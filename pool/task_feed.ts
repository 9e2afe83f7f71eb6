import { type Source, SourceReader } from "../jsonl/source.ts";
import type { Outcome } from "../records/result.ts";
import { type CheckedTask, checkTask } from "../records/task.ts";
import { type Job, jobOf } from "./job.ts";
import type { PoolSettings } from "./options.ts";
import type { SeenTasks } from "./workflow/seen_tasks.ts";
import type { SourceFacts } from "./workflow/source_facts.ts";
import type { WorkflowFeed } from "./workflow/workflow_feed.ts";

/** A queue of tasks for a scheduler. */
export interface TaskFeed {
  /** The tasks in another order than that of the queue, once a task has prerequisites, a priority or resources. */
  readonly workflow?: WorkflowFeed | undefined;
  /** True when the queue is empty and stays empty. */
  readonly hasEnded: boolean;
  /**
   * Returns whether a task can start in a number of free slots.
   *
   * @param hasRoom False if only a task that has started before may start.
   */
  hasNext(freeSlots: number, hasRoom: boolean): boolean;
  /** Removes and returns the next task. Returns `undefined` when the task cannot be read, which has ended the queue. */
  take(freeSlots: number, hasRoom: boolean): Job | undefined;
  /** Removes a task. Returns false when the task is not in the queue. */
  remove?(job: Job): boolean;
  /** Notes the result of a task. */
  finish?(job: Job, outcome: Outcome): void;
  /**
   * Fetches further tasks. Returns `undefined` when there is nothing to fetch now.
   *
   * @param onError Called when the source fails, or yields a value that is not a task.
   * @param isIdle True if no started task is without a result.
   */
  fill?(onError: (error: unknown) => void, isIdle: boolean): Promise<void> | undefined;
  /** Ends the queue early. Returns its tasks that have not started, and the positions of those without a job. */
  end(): EndedFeed;
  /** Settles when the source has been released. Never rejects. */
  readonly released: Promise<void> | undefined;
}

/** The tasks that a queue had when it ended. */
export interface EndedFeed {
  readonly jobs: readonly Job[];
  /** The positions in the input of further tasks that never ran. */
  readonly positions: readonly number[];
}

/** The settings of a queue. */
export type FeedSettings = Pick<PoolSettings, "concurrency" | "workflow">;

const NONE: readonly number[] = [];

/** Creates a job from a value of the caller. Throws when the value is not a valid task. */
export function createJob(value: unknown, sequence: number): Job {
  return jobOf(checkTask(value, { number: sequence }), sequence);
}

/** The fields of a task for which it needs more than a slot. */
type SchedulingFields = Pick<CheckedTask, "after" | "priority" | "uses" | "slots">;

/** Returns whether a task needs more than a slot. */
export function isWorkflowTask({ after, priority, uses, slots }: SchedulingFields): boolean {
  return after !== undefined || priority !== undefined || uses !== undefined || slots !== undefined;
}

/**
 * Reads tasks from a source. Reads at most one task ahead, because reading may be costly or have side effects. From the first
 * task with prerequisites, a priority or resources, a {@linkcode WorkflowFeed} reads and chooses the tasks.
 */
export class SourceFeed implements TaskFeed {
  workflow: WorkflowFeed | undefined;
  released: Promise<void> | undefined;
  readonly #source: SourceReader<unknown>;
  readonly #facts: SourceFacts;
  readonly #settings: FeedSettings;
  readonly #concurrency: () => number;
  #next: Job | undefined;
  /** A value that has been read, and has to be checked by `#read`. */
  #unhandled: IteratorResult<unknown> | undefined;
  #hasEnded = false;
  #sequence = 0;
  #isReading = false;
  /** The tasks that a later task may name; absent when the source is no workflow. */
  #seen: SeenTasks | undefined;

  /**
   * @param concurrency Returns the number of slots of the run.
   * @throws `TypeError` when the source is neither an iterable nor a stream.
   */
  constructor(source: Source<unknown>, facts: SourceFacts, settings: FeedSettings, concurrency: () => number) {
    this.#source = new SourceReader(source);
    this.#facts = facts;
    this.#settings = settings;
    this.#concurrency = concurrency;
  }

  get hasEnded(): boolean {
    return this.workflow?.hasEnded ?? this.#hasEnded;
  }

  hasNext(freeSlots: number, hasRoom: boolean): boolean {
    if (this.workflow) return this.workflow.hasNext(freeSlots, hasRoom);
    return hasRoom && (this.#next ??= this.#takeBuffered()) !== undefined;
  }

  take(freeSlots: number, hasRoom: boolean): Job | undefined {
    if (this.workflow) return this.workflow.take(freeSlots, hasRoom);
    const job = this.#next;
    this.#next = undefined;
    return job;
  }

  finish(job: Job, outcome: Outcome): void {
    if (this.workflow) this.workflow.finish(job, outcome);
    else if (job.task.id !== undefined) this.#seen?.end(job.id, outcome);
  }

  fill(onError: (error: unknown) => void, isIdle: boolean): Promise<void> | undefined {
    if (this.workflow) return this.workflow.fill(isIdle);
    const canRead = !this.#isReading && !this.#hasEnded && this.#next === undefined;
    return canRead ? this.#read(onError) : undefined;
  }

  end(): EndedFeed {
    this.#hasEnded = true;
    // A source that has failed may reject its cancellation, too. Only the first error matters.
    this.released ??= this.#source.cancel().catch(() => {});
    const next = this.#next;
    this.#next = undefined;
    return { jobs: next ? [next] : [], positions: this.workflow?.end() ?? NONE };
  }

  /** Returns the next task if the source has it already, and nothing has to be loaded for it. */
  #takeBuffered(): Job | undefined {
    // No task starts during the first call for a result.
    const hasBegun = this.#sequence > 0 && !this.#facts.isWorkflow;
    const canTake = hasBegun && !this.#isReading && !this.#hasEnded && !this.#unhandled;
    const value = canTake ? this.#source.takeBuffered() : undefined;
    if (value === undefined) return undefined;
    try {
      const job = this.#jobFor(checkTask(value, { number: this.#sequence + 1 }));
      if (job) return job;
    } catch {
      // The check in `#read` fails, too, and its error ends the run.
    }
    this.#unhandled = { done: false, value };
    return undefined;
  }

  /** Never rejects. */
  async #read(onError: (error: unknown) => void): Promise<void> {
    this.#isReading = true;
    try {
      if (this.#facts.isWorkflow && !this.#unhandled) await this.#beginWorkflow(onError);
      else {
        const { done, value } = this.#unhandled ?? await this.#source.next();
        this.#unhandled = undefined;
        if (done) this.#hasEnded = true;
        // The run may have ended during the read.
        if (!this.#hasEnded) {
          const task = checkTask(value, { number: this.#sequence + 1 });
          this.#next = this.#jobFor(task);
          if (!this.#next) await this.#loadFor(onError, task);
        }
      }
    } catch (error) {
      // Releasing a source may make a pending read fail.
      if (!this.#hasEnded) onError(error);
    }
    this.#isReading = false;
  }

  /** Returns the job of a task; `undefined` when a module has to be loaded first. */
  #jobFor(task: CheckedTask): Job | undefined {
    if (isWorkflowTask(task)) return undefined;
    if (this.#facts.isWorkflow === undefined && task.id !== undefined) {
      if (!this.#seen) return undefined;
      this.#seen.add(String(task.id));
    }
    return jobOf(task, ++this.#sequence);
  }

  /** Adds a task for which a module has to be loaded. */
  async #loadFor(onError: (error: unknown) => void, task: CheckedTask): Promise<void> {
    if (isWorkflowTask(task)) return await this.#beginWorkflow(onError, task);
    const { SeenTasks } = await import("./workflow/seen_tasks.ts");
    this.#seen = new SeenTasks(); // remembers ids and outcomes from the first task with an id
    if (!this.#hasEnded) this.#next = this.#jobFor(task);
  }

  /** Hands the source over to a {@linkcode WorkflowFeed}. */
  async #beginWorkflow(onError: (error: unknown) => void, task?: CheckedTask): Promise<void> {
    const { WorkflowFeed } = await import("./workflow/workflow_feed.ts");
    if (this.#hasEnded) return;
    const workflow = new WorkflowFeed({
      source: this.#source,
      settings: this.#settings.workflow,
      facts: this.#facts,
      seen: this.#seen,
      sequence: this.#sequence,
      concurrency: this.#concurrency,
      initialConcurrency: this.#settings.concurrency,
      onError,
    });
    this.#seen = undefined;
    this.workflow = workflow;
    if (task) workflow.add(task);
  }
}

/** An entry of a linked list of tasks. */
interface Entry {
  readonly job: Job;
  following?: Entry;
}

/** A queue to which a program adds tasks one by one. */
export class TaskQueue implements TaskFeed {
  readonly released: undefined;
  #isFinished = false;
  /** Tasks in order, including removed ones. A linked list, because the first element of a large Set is slow to find. */
  #first: Entry | undefined;
  #last: Entry | undefined;
  readonly #queued = new Set<Job>();

  hasNext(_freeSlots: number, hasRoom: boolean): boolean {
    return hasRoom && this.#next !== undefined;
  }

  get #next(): Job | undefined {
    while (this.#first && !this.#queued.has(this.#first.job)) this.#first = this.#first.following;
    return this.#first?.job;
  }

  get hasEnded(): boolean {
    return this.#isFinished && this.#queued.size === 0;
  }

  add(job: Job): void {
    const entry: Entry = { job };
    if (this.#first) this.#last!.following = entry;
    else this.#first = entry;
    this.#last = entry;
    this.#queued.add(job);
  }

  take(): Job {
    const job = this.#next!;
    this.#queued.delete(job);
    return job;
  }

  remove(job: Job): boolean {
    return this.#queued.delete(job);
  }

  /** Ends the queue after its current tasks. */
  finishAdding(): void {
    this.#isFinished = true;
  }

  end(): EndedFeed {
    const jobs = [...this.#queued];
    this.#queued.clear();
    this.finishAdding();
    return { jobs, positions: NONE };
  }
}
