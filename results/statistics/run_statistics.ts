/** Statistics over the results of a run. @module */

import type { Outcome } from "../../records/result.ts";
import { type Distribution, LogHistogram } from "./log_histogram.ts";
import type { AttemptFacts, ResultFacts } from "./results_reader.ts";
import { slotKey } from "./slots.ts";
import { TimeBuckets, type TimeSeries } from "./time_buckets.ts";

/** Resolution of the series over time, which is enough for a chart. */
const MAX_BUCKETS = 1024;

/** The durations of a run in which no task ran. */
const NO_DURATIONS: Distribution = { count: 0, min: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0, total: 0 };

/** The statistics of a run. Skipped tasks count only in `results` and `outcomes`. */
export interface RunFigures {
  /** Number of results, of skipped tasks as well. A task that `--resume-failed` ran again has several. */
  results: number;
  /** Number of results by outcome, without outcomes that did not occur. */
  outcomes: Partial<Record<Outcome, number>>;
  /** Number of attempts of all tasks. */
  attempts: number;
  /**
   * Number of attempts whose times are known. A result lists at most 100 earlier attempts, and lists none in results files of
   * version 0.1.
   */
  listedAttempts: number;
  /** Number of results that took more than one attempt. */
  retried: number;
  /** Start of the first recorded attempt, or the first time when a task was skipped if no task ran; ISO 8601, UTC. */
  startedAt: string;
  /** End of the last recorded attempt, or the last time when a task was skipped if no task ran; ISO 8601, UTC. */
  endedAt: string;
  /** Time from `startedAt` to `endedAt`, in milliseconds. */
  spanMs: number;
  /**
   * Part of the span in which no recorded attempt ran, in milliseconds: between a run and its resumption, or during the
   * delay before a retry. The value may be too low by two buckets, each at most 1/1,024 of the span.
   */
  idleMs: number;
  /** Results of tasks that ran, per second; `undefined` for a span of 0 ms. */
  perSecond: number | undefined;
  /**
   * Number of slots that ran tasks. A result names only the first slot of a task that occupied several; with such tasks, all
   * slots of this machine up to the highest number count.
   */
  slots: number;
  /** Share of the span in which recorded attempts occupied the slots, from 0 to 1. */
  utilization: number | undefined;
  /** Durations of the last attempts, in milliseconds; 0 throughout if no task ran. */
  durationMs: Distribution;
  /** CPU times of the last attempts, in milliseconds, where they are known. */
  cpuMs: Distribution | undefined;
}

/** Aggregates results. Its memory depends only on the number of slots. */
export class RunStatistics {
  readonly durations = new LogHistogram();
  readonly cpuTimes = new LogHistogram();
  readonly #buckets = new TimeBuckets(MAX_BUCKETS);
  readonly #busy = this.#buckets.addSeries();
  readonly #ended = this.#buckets.addSeries();
  readonly #notOk = this.#buckets.addSeries();
  readonly #outcomes = new Map<Outcome, number>();
  readonly #slots = new Set<string | number>();
  /** The highest number that a slot of this machine must have had. */
  #highestSlot = 0;
  #hasWideTasks = false;
  #results = 0;
  #attempts = 0;
  #listedAttempts = 0;
  #retried = 0;
  #busyMs = 0;
  #startedMs = Infinity;
  #endedMs = -Infinity;
  #firstSkippedMs = Infinity;
  #lastSkippedMs = -Infinity;

  /** Adds a result. */
  add(result: ResultFacts): void {
    const { outcome, attempts, durationMs, cpuMs, earlierAttempts } = result;
    this.#results++;
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
    if (outcome === "skipped") return this.#addSkipped(result);
    this.#attempts += attempts;
    if (attempts > 1) this.#retried++;
    this.durations.add(durationMs);
    if (cpuMs !== undefined) this.cpuTimes.add(cpuMs);
    for (const attempt of earlierAttempts) this.#addAttempt(attempt, result.slots);
    const endedMs = this.#addAttempt(result, result.slots);
    this.#buckets.count(this.#ended, endedMs);
    if (outcome !== "ok") this.#buckets.count(this.#notOk, endedMs);
  }

  #addSkipped({ startedMs }: ResultFacts): void {
    this.#firstSkippedMs = Math.min(this.#firstSkippedMs, startedMs);
    this.#lastSkippedMs = Math.max(this.#lastSkippedMs, startedMs);
  }

  /** Adds the time that an attempt took of its slots. Returns the end of the attempt. */
  #addAttempt(attempt: AttemptFacts, slots: number): number {
    const { startedMs, durationMs } = attempt;
    const endedMs = startedMs + durationMs;
    this.#listedAttempts++;
    this.#slots.add(slotKey(attempt));
    // The further slots of a task have higher numbers than the first. A worker numbers its own slots.
    if (!attempt.worker) this.#highestSlot = Math.max(this.#highestSlot, attempt.slot + slots - 1);
    this.#hasWideTasks ||= slots > 1;
    this.#busyMs += durationMs * slots;
    this.#startedMs = Math.min(this.#startedMs, startedMs);
    this.#endedMs = Math.max(this.#endedMs, endedMs);
    this.#buckets.addSpan(this.#busy, startedMs, endedMs);
    return endedMs;
  }

  /** Number of results. */
  get results(): number {
    return this.#results;
  }

  /** The statistics; `undefined` without results. */
  get figures(): RunFigures | undefined {
    if (this.#results === 0) return undefined;
    const durationMs = this.durations.distribution;
    const [startedMs, endedMs] = durationMs
      ? [this.#startedMs, this.#endedMs]
      : [this.#firstSkippedMs, this.#lastSkippedMs];
    const spanMs = endedMs - startedMs;
    const slots = this.#hasWideTasks ? Math.max(this.#slots.size, this.#highestSlot) : this.#slots.size;
    return {
      results: this.#results,
      outcomes: Object.fromEntries([...this.#outcomes].sort(([, one], [, other]) => other - one)),
      attempts: this.#attempts,
      listedAttempts: this.#listedAttempts,
      retried: this.#retried,
      startedAt: new Date(startedMs).toISOString(),
      endedAt: new Date(endedMs).toISOString(),
      spanMs,
      idleMs: durationMs ? this.#idleMs() : 0,
      perSecond: spanMs > 0 && durationMs ? durationMs.count * 1000 / spanMs : undefined,
      slots,
      // A clock that was set back makes the share greater than 1.
      utilization: spanMs > 0 && slots > 0 ? Math.min(1, this.#busyMs / (slots * spanMs)) : undefined,
      durationMs: durationMs ?? NO_DURATIONS,
      cpuMs: this.cpuTimes.distribution,
    };
  }

  /** Milliseconds of attempts in each bucket, over all slots. */
  get busy(): TimeSeries {
    return this.#buckets.read(this.#busy);
  }

  /** Number of tasks that ended in each bucket. */
  get ended(): TimeSeries {
    return this.#buckets.read(this.#ended);
  }

  /** Number of tasks that ended in each bucket and were not ok. */
  get notOk(): TimeSeries {
    return this.#buckets.read(this.#notOk);
  }

  /** Returns the total width of the buckets without attempts. A shorter idle time does not count. */
  #idleMs(): number {
    const { fromMs, widthMs, values } = this.busy;
    let idleMs = 0;
    values.forEach((busyMs, bucket) => {
      const beginMs = Math.max(this.#startedMs, fromMs + bucket * widthMs);
      const endMs = Math.min(this.#endedMs, fromMs + (bucket + 1) * widthMs);
      if (busyMs === 0) idleMs += endMs - beginMs;
    });
    return idleMs;
  }
}
