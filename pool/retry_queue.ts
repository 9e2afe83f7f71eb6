import type { Job } from "./job.ts";

/** A queue of tasks that wait for their next attempt: first for their backoff, then for a slot. */
export class RetryQueue {
  /** Tasks whose backoff has not elapsed. */
  readonly #waiting = new Map<Job, ReturnType<typeof setTimeout>>();
  readonly #due = new Set<Job>();
  readonly #onDue: () => void;

  /** @param onDue Called when the backoff of a task has elapsed. */
  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  /** The number of waiting tasks. */
  get size(): number {
    return this.#waiting.size + this.#due.size;
  }

  /** True when a task waits only for a slot. */
  get hasDue(): boolean {
    return this.#due.size > 0;
  }

  /** Adds a task. With a backoff of 0, the task is due immediately, and `onDue` is not called. */
  add(job: Job, backoffMs: number): void {
    if (backoffMs === 0) {
      this.#due.add(job);
      return;
    }
    const timer = setTimeout(() => {
      this.#waiting.delete(job);
      this.#due.add(job);
      this.#onDue();
    }, backoffMs);
    this.#waiting.set(job, timer);
  }

  /** Removes and returns the task that has been due longest. */
  takeDue(): Job | undefined {
    for (const job of this.#due) {
      this.#due.delete(job);
      return job;
    }
    return undefined;
  }

  /** Removes a task. Returns false when the task is not in the queue. */
  remove(job: Job): boolean {
    clearTimeout(this.#waiting.get(job));
    return this.#waiting.delete(job) || this.#due.delete(job);
  }

  /** Removes and returns a task: due tasks first, then the others in the order in which they were added. */
  takeAny(): Job | undefined {
    const job = this.takeDue() ?? this.#waiting.keys().next().value;
    if (job) this.remove(job);
    return job;
  }
}
