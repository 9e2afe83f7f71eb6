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

/** The attempts that wait for the end of the running attempt in their slot, at most one for each slot. */
export class AttemptQueue {
  /** By the index of the slot; the attempt that has waited longest is the first. */
  readonly #entries = new Map<number, Entry>();
  /** The indexes of slots whose running attempt has had none waiting behind it. */
  readonly #open = new Set<number>();
  /** A time before which no attempt has waited for {@linkcode MIN_WAIT_MS}, by `performance.now()`. */
  #noneStuckBeforeMs = -Infinity;
  /** The moving average of durations. */
  #averageMs = Infinity;

  /** The number of attempts. */
  get size(): number {
    return this.#entries.size;
  }

  /** True when attempts are so short that the time between two of them matters. */
  get isWorthwhile(): boolean {
    return this.#averageMs <= MAX_AVERAGE_MS;
  }

  /** Returns the index of a slot for another attempt, below a limit; `undefined` when there is none. */
  openIndex(limit: number): number | undefined {
    for (const index of this.#open) {
      if (index < limit) return index;
      this.#open.delete(index);
    }
    return undefined;
  }

  /** Records the start of the attempt in a slot. */
  recordStart(index: number): void {
    this.#open.add(index);
  }

  /** Records the end of the attempt in a slot. Removes and returns the attempt that follows in this slot. */
  recordEnd(index: number, durationMs: number): QueuedAttempt | undefined {
    this.#averageMs = this.#averageMs === Infinity
      ? durationMs
      : this.#averageMs + (durationMs - this.#averageMs) * WEIGHT;
    this.#open.delete(index);
    const entry = this.#entries.get(index);
    this.#entries.delete(index);
    return entry;
  }

  /** Adds an attempt behind the running one in its slot. */
  add(index: number, queued: QueuedAttempt): void {
    this.#open.delete(index);
    this.#entries.set(index, { ...queued, sinceMs: performance.now() });
    queued.attempt.ended.catch(() => {}); // whoever takes the attempt handles the error
  }

  /** Withdraws the attempt that has waited longest, if it is behind a slow one. Returns its task. */
  withdrawStuck(): Job | undefined {
    if (this.#entries.size === 0) return undefined;
    const nowMs = performance.now();
    if (nowMs < this.#noneStuckBeforeMs) return undefined;
    const [index, entry] = this.#entries.entries().next().value!;
    this.#noneStuckBeforeMs = entry.sinceMs + MIN_WAIT_MS; // no attempt has waited longer than the first
    if (nowMs - entry.sinceMs < Math.max(MIN_WAIT_MS, WAIT_FACTOR * this.#averageMs)) return undefined;
    if (this.#withdraw(index, entry)) return entry.job;
    this.#entries.delete(index);
    this.#entries.set(index, { ...entry, sinceMs: nowMs }); // it has begun: look at another one next
    return undefined;
  }

  /** Withdraws the attempt that has waited longest. Returns its task; `undefined` when all attempts have begun. */
  withdrawFirst(): Job | undefined {
    for (const [index, entry] of this.#entries) if (this.#withdraw(index, entry)) return entry.job;
    return undefined;
  }

  /** Withdraws the attempt of a task. Returns false when there is none, or it has begun. */
  withdraw(job: Job): boolean {
    for (const [index, entry] of this.#entries) if (entry.job === job) return this.#withdraw(index, entry);
    return false;
  }

  /** Returns the attempts in their slots. */
  values(): Iterable<QueuedAttempt> {
    return this.#entries.values();
  }

  #withdraw(index: number, { attempt }: Entry): boolean {
    return attempt.tryWithdraw() && this.#entries.delete(index);
  }
}
