/** What a run came to, in figures. @module */

import type { Outcome } from "../../records/result.ts";
import { type Distribution, LogHistogram } from "./log_histogram.ts";
import type { ResultFacts } from "./results_reader.ts";
import { slotKey } from "./slots.ts";
import { TimeBuckets, type TimeSeries } from "./time_buckets.ts";

/** Enough for a picture. */
const MAX_PARTS = 1024;

/** What a run came to. */
export interface RunFigures {
  /** How many results there are. A task that was run again after `--resume-failed` has several. */
  results: number;
  /** How many of them have each outcome; those that did not occur are not there. */
  outcomes: Partial<Record<Outcome, number>>;
  /** How often tasks were started. */
  attempts: number;
  /** How many results took more than one attempt. */
  retried: number;
  /** When the first attempt began that a result tells of; ISO 8601, UTC. */
  startedAt: string;
  /** When the last one ended. */
  endedAt: string;
  /** How long that is, in milliseconds. */
  spanMs: number;
  /**
   * For how much of it no attempt ran that a result tells of, as between a run and the one that went on with it, or while
   * others were made that had to be repeated. Two parts of the grid, one of 1,024 of the span at most, may be missing.
   */
  idleMs: number;
  /** Results per second of the span, when that is more than nothing. */
  perSecond: number | undefined;
  /** How many slots tasks ran in. */
  slots: number;
  /** Which part of the span the slots were busy with the attempts that results tell of, from 0 to 1. */
  utilization: number | undefined;
  /** How long the last attempts took, in milliseconds. */
  durationMs: Distribution;
  /** Their CPU time, in milliseconds, of those of which it is known. */
  cpuMs: Distribution | undefined;
}

/** Sums up results in memory that depends on the number of slots only. */
export class RunStatistics {
  readonly durations = new LogHistogram();
  readonly cpuTimes = new LogHistogram();
  readonly #grid = new TimeBuckets(MAX_PARTS);
  readonly #busy = this.#grid.addSeries();
  readonly #ended = this.#grid.addSeries();
  readonly #notOk = this.#grid.addSeries();
  readonly #outcomes = new Map<Outcome, number>();
  readonly #slots = new Set<string | number>();
  #results = 0;
  #attempts = 0;
  #retried = 0;
  #startedMs = Infinity;
  #endedMs = -Infinity;

  add(result: ResultFacts): void {
    const { outcome, attempts, startedMs, durationMs, cpuMs } = result;
    const endedMs = startedMs + durationMs;
    this.#results++;
    this.#attempts += attempts;
    if (attempts > 1) this.#retried++;
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
    this.#slots.add(slotKey(result));
    this.durations.add(durationMs);
    if (cpuMs !== undefined) this.cpuTimes.add(cpuMs);
    this.#startedMs = Math.min(this.#startedMs, startedMs);
    this.#endedMs = Math.max(this.#endedMs, endedMs);
    this.#grid.addSpan(this.#busy, startedMs, endedMs);
    this.#grid.count(this.#ended, endedMs);
    if (outcome !== "ok") this.#grid.count(this.#notOk, endedMs);
  }

  get results(): number {
    return this.#results;
  }

  /** The figures; `undefined` as long as there is no result. */
  get figures(): RunFigures | undefined {
    const durationMs = this.durations.distribution;
    if (!durationMs) return undefined;
    const spanMs = this.#endedMs - this.#startedMs;
    return {
      results: this.#results,
      outcomes: Object.fromEntries([...this.#outcomes].sort(([, one], [, other]) => other - one)),
      attempts: this.#attempts,
      retried: this.#retried,
      startedAt: new Date(this.#startedMs).toISOString(),
      endedAt: new Date(this.#endedMs).toISOString(),
      spanMs,
      idleMs: this.#idleMs(),
      perSecond: spanMs > 0 ? this.#results * 1000 / spanMs : undefined,
      slots: this.#slots.size,
      // More than all of the time is what it comes to when the clock was set back.
      utilization: spanMs > 0 ? Math.min(1, durationMs.total / (this.#slots.size * spanMs)) : undefined,
      durationMs,
      cpuMs: this.cpuTimes.distribution,
    };
  }

  /** For how many milliseconds of each part tasks ran, all slots together. */
  get busy(): TimeSeries {
    return this.#grid.read(this.#busy);
  }

  /** How many tasks ended in each part. */
  get ended(): TimeSeries {
    return this.#grid.read(this.#ended);
  }

  /** How many of them were not ok. */
  get notOk(): TimeSeries {
    return this.#grid.read(this.#notOk);
  }

  /** The parts of the grid in which nothing ran; what is shorter than a part is not seen. */
  #idleMs(): number {
    const { fromMs, widthMs, values } = this.busy;
    let idleMs = 0;
    values.forEach((busyMs, part) => {
      const beginMs = Math.max(this.#startedMs, fromMs + part * widthMs);
      const endMs = Math.min(this.#endedMs, fromMs + (part + 1) * widthMs);
      if (busyMs === 0) idleMs += endMs - beginMs;
    });
    return idleMs;
  }
}
