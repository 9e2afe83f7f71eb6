import { type Source, SourceReader } from "../jsonl/source.ts";
import { commandHash } from "../records/command_hash.ts";
import { checkTask } from "../records/task.ts";
import type { Job } from "./job.ts";

/** A queue of tasks for a scheduler. */
export interface TaskFeed {
  /** The next task, if it is available. */
  readonly next: Job | undefined;
  /** True when the queue is empty and stays empty. */
  readonly hasEnded: boolean;
  /** Removes and returns {@linkcode TaskFeed.next}. */
  take(): Job;
  /** Removes a task. Returns false when the task is not in the queue. */
  remove?(job: Job): boolean;
  /**
   * Fetches the next task. Returns `undefined` when there is nothing to fetch now.
   *
   * @param onError Called when the source fails, or yields a value that is not a task.
   */
  fill?(onError: (error: unknown) => void): Promise<void> | undefined;
  /** Ends the queue early, and returns its tasks. */
  end(): Job[];
  /** Settles when the source has been released. Never rejects. */
  readonly released: Promise<void> | undefined;
}

/** Creates a job from a value of the caller. Throws when the value is not a valid task. */
export function createJob(value: unknown, sequence: number): Job {
  const task = checkTask(value, { number: sequence });
  const id = String(task.id ?? sequence);
  return { task, id, sequence, cmdHash: commandHash(task.cmd), lastAttempt: undefined, isCanceled: false };
}

/** Reads tasks from a source. Reads at most one task ahead, because reading may be costly or have side effects. */
export class SourceFeed implements TaskFeed {
  next: Job | undefined;
  hasEnded = false;
  released: Promise<void> | undefined;
  readonly #source: SourceReader<unknown>;
  #sequence = 0;
  #isReading = false;

  /** @throws `TypeError` when the source is neither an iterable nor a stream. */
  constructor(source: Source<unknown>) {
    this.#source = new SourceReader(source);
  }

  take(): Job {
    const job = this.next!;
    this.next = undefined;
    return job;
  }

  fill(onError: (error: unknown) => void): Promise<void> | undefined {
    const canRead = !this.#isReading && !this.hasEnded && this.next === undefined;
    return canRead ? this.#read(onError) : undefined;
  }

  end(): Job[] {
    this.hasEnded = true;
    const dropped = this.next ? [this.take()] : [];
    // A source that has failed may reject its cancellation, too. Only the first error matters.
    this.released ??= this.#source.cancel().catch(() => {});
    return dropped;
  }

  /** Never rejects. */
  async #read(onError: (error: unknown) => void): Promise<void> {
    this.#isReading = true;
    try {
      const { done, value } = await this.#source.next();
      if (done) this.hasEnded = true;
      // The run may have ended during the read.
      if (!this.hasEnded) this.next = createJob(value, ++this.#sequence);
    } catch (error) {
      // Releasing a source may make a pending read fail.
      if (!this.hasEnded) onError(error);
    }
    this.#isReading = false;
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

  get next(): Job | undefined {
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
    const job = this.next!;
    this.#queued.delete(job);
    return job;
  }

  remove(job: Job): boolean {
    return this.#queued.delete(job);
  }

  /** Ends the queue after its current tasks. */
  finish(): void {
    this.#isFinished = true;
  }

  end(): Job[] {
    const dropped = [...this.#queued];
    this.#queued.clear();
    this.finish();
    return dropped;
  }
}
