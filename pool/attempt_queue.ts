import type { Job } from "./job.ts";
import type { LiveOutput } from "./live_output.ts";
import type { RunningAttempt } from "./running_attempt.ts";

/** An attempt that the executor begins when the running attempt in its slot has ended. */
export interface QueuedAttempt {
  readonly job: Job;
  readonly attempt: RunningAttempt;
  readonly output: LiveOutput | undefined;
}

interface Entry extends QueuedAttempt {
  readonly index: number;
  /** The time from which the attempt waits, by `performance.now()`. */
  sinceMs: number;
}

/** The longest average duration for which queueing is worthwhile: it saves a fraction of a millisecond for each attempt. */
const MAX_AVERAGE_MS = 20;
/** The part that each attempt contributes to the average. */
const WEIGHT = 1 / 16;
/** The shortest wait after which an attempt is behind a slow one. */
const MIN_WAIT_MS = 5;
/** The same, as a multiple of the average duration. */
const WAIT_FACTOR = 4;

/**
 * The attempts that wait for the end of the running attempt in their slot, at most one for each slot. The lists are arrays:
 * in V8, a `Map` or `Set` that changes for each attempt can keep all removed values until the next full garbage collection.
 */
export class AttemptQueue {
  /** The attempt that has waited longest is the first. */
  readonly #entries: Entry[] = [];
  /** The indexes of slots whose running attempt has had none waiting behind it. */
  readonly #open: number[] = [];
  /** The moving average of durations. */
  #averageMs = Infinity;

  /** The number of attempts. */
  get size(): number {
    return this.#entries.length;
  }

  /** True when attempts are so short that the time between two of them matters. */
  get isWorthwhile(): boolean {
    return this.#averageMs <= MAX_AVERAGE_MS;
  }

  /** Returns the index of a slot for another attempt, below a limit; `undefined` when there is none. */
  openIndex(limit: number): number | undefined {
    while (this.#open.length > 0 && this.#open[0]! >= limit) this.#open.shift();
    return this.#open[0];
  }

  /** Records the start of the attempt in a slot. */
  recordStart(index: number): void {
    if (!this.#open.includes(index)) this.#open.push(index);
  }

  /** Records the end of the attempt in a slot. Removes and returns the attempt that follows in this slot. */
  recordEnd(index: number, durationMs: number): QueuedAttempt | undefined {
    this.#averageMs = this.#averageMs === Infinity
      ? durationMs
      : this.#averageMs + (durationMs - this.#averageMs) * WEIGHT;
    remove(this.#open, this.#open.indexOf(index));
    return remove(this.#entries, this.#entries.findIndex((entry) => entry.index === index));
  }

  /** Adds an attempt behind the running one in its slot. */
  add(index: number, queued: QueuedAttempt): void {
    remove(this.#open, this.#open.indexOf(index));
    this.#entries.push({ ...queued, index, sinceMs: performance.now() });
    queued.attempt.ended.catch(() => {}); // whoever takes the attempt handles the error
  }

  /** Withdraws the attempt that has waited longest, if it is behind a slow one. Returns its task. */
  withdrawStuck(): Job | undefined {
    const first = this.#entries[0];
    if (!first) return undefined;
    const nowMs = performance.now();
    if (nowMs - first.sinceMs < Math.max(MIN_WAIT_MS, WAIT_FACTOR * this.#averageMs)) return undefined;
    if (this.#withdraw(first)) return first.job;
    // It has begun: look at another one next.
    remove(this.#entries, this.#entries.indexOf(first));
    this.#entries.push({ ...first, sinceMs: nowMs });
    return undefined;
  }

  /** Withdraws the attempt that has waited longest. Returns its task; `undefined` when all attempts have begun. */
  withdrawFirst(): Job | undefined {
    for (const entry of this.#entries) if (this.#withdraw(entry)) return entry.job;
    return undefined;
  }

  /** Withdraws the attempt of a task. Returns false when there is none, or it has begun. */
  withdraw(job: Job): boolean {
    const entry = this.#entries.find((entry) => entry.job === job);
    return entry !== undefined && this.#withdraw(entry);
  }

  /** Returns the attempts in their slots. */
  values(): Iterable<QueuedAttempt> {
    return [...this.#entries];
  }

  #withdraw(entry: Entry): boolean {
    if (!entry.attempt.tryWithdraw()) return false;
    return remove(this.#entries, this.#entries.indexOf(entry)) !== undefined;
  }
}

/** Removes and returns the value at an index; `undefined` if the index is -1. */
function remove<T>(values: T[], index: number): T | undefined {
  return index === -1 ? undefined : values.splice(index, 1)[0];
}
