import type { Job } from "./job.ts";
import type { LiveOutput } from "./live_output.ts";
import type { RunningAttempt } from "./running_attempt.ts";
import { SlotList } from "./slot_list.ts";

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
  /** By the index of the slot. */
  readonly #entries: (Entry | undefined)[] = [];
  /** The slots of the entries; the attempt that has waited longest is the first. */
  readonly #waiting = new SlotList();
  /** The slots whose running attempt has had none waiting behind it. */
  readonly #open = new SlotList();
  /** The moving average of durations. */
  #averageMs = Infinity;

  /** The number of attempts. */
  get size(): number {
    return this.#waiting.size;
  }

  /** True when attempts are so short that the time between two of them matters. */
  get isWorthwhile(): boolean {
    return this.#averageMs <= MAX_AVERAGE_MS;
  }

  /** Returns the index of a slot for another attempt, below a limit; `undefined` when there is none. */
  openIndex(limit: number): number | undefined {
    let index = this.#open.first;
    for (; index !== undefined && index >= limit; index = this.#open.first) this.#open.delete(index);
    return index;
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
    const entry = this.#entries[index];
    this.#remove(index);
    return entry;
  }

  /** Adds an attempt behind the running one in its slot. */
  add(index: number, queued: QueuedAttempt): void {
    this.#open.delete(index);
    this.#insert(index, { ...queued, sinceMs: performance.now() });
    queued.attempt.ended.catch(() => {}); // whoever takes the attempt handles the error
  }

  /** Withdraws the attempt that has waited longest, if it is behind a slow one. Returns its task. */
  withdrawStuck(): Job | undefined {
    const index = this.#waiting.first;
    if (index === undefined) return undefined;
    const entry = this.#entries[index]!;
    const nowMs = performance.now();
    if (nowMs - entry.sinceMs < Math.max(MIN_WAIT_MS, WAIT_FACTOR * this.#averageMs)) return undefined;
    if (this.#withdraw(index)) return entry.job;
    this.#remove(index);
    this.#insert(index, { ...entry, sinceMs: nowMs }); // it has begun: look at another one next
    return undefined;
  }

  /** Withdraws the attempt that has waited longest. Returns its task; `undefined` when all attempts have begun. */
  withdrawFirst(): Job | undefined {
    for (const index of this.#waiting.indexes()) {
      const entry = this.#entries[index];
      if (this.#withdraw(index)) return entry?.job;
    }
    return undefined;
  }

  /** Withdraws the attempt of a task. Returns false when there is none, or it has begun. */
  withdraw(job: Job): boolean {
    const index = this.#waiting.indexes().find((index) => this.#entries[index]?.job === job);
    return index !== undefined && this.#withdraw(index);
  }

  /** Returns the attempts in their slots. */
  values(): Iterable<QueuedAttempt> {
    return this.#waiting.indexes().map((index) => this.#entries[index]!);
  }

  /** Returns false when the slot has no attempt, or the attempt has begun. */
  #withdraw(index: number): boolean {
    if (!this.#entries[index]?.attempt.tryWithdraw()) return false;
    this.#remove(index);
    return true;
  }

  #insert(index: number, entry: Entry): void {
    this.#entries[index] = entry;
    this.#waiting.add(index);
  }

  #remove(index: number): void {
    this.#entries[index] = undefined;
    this.#waiting.delete(index);
  }
}
