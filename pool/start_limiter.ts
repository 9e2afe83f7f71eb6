import { freeMemoryBytes } from "../system/free_memory.ts";
import { systemReason } from "../system/system_error.ts";
import { systemLoad } from "../system/system_load.ts";

/**
 * The reason for a delayed start: `delay`, `load` and `memory` are the limits {@linkcode PoolOptions.startDelayMs},
 * `maxLoad` and `minFreeMemoryBytes`. With `shortage`, the system lacks processes, descriptors or memory.
 */
export type ThrottleReason = "delay" | "load" | "memory" | "shortage";

/** Limits for the start of tasks. */
export interface StartLimits {
  /** The minimum time between two starts, in milliseconds. */
  startDelayMs: number;
  /** The load at which no further task starts. */
  maxLoad: number | undefined;
  /** The free memory below which no task starts, in bytes. */
  minFreeMemoryBytes: number | undefined;
}

/** Sources of measurements, which tests replace. */
export interface Probes {
  nowMs: () => number;
  load: () => number;
  freeMemoryBytes: () => number;
}

const SYSTEM: Probes = { nowMs: () => performance.now(), load: systemLoad, freeMemoryBytes };

/** Interval between two measurements of the load, in milliseconds: reading all processes is slow. */
const LOAD_MS = 1_000;
/** Age up to which a measurement of free memory is used, in milliseconds: tasks can fill memory quickly. */
const MEMORY_MS = 10;
/** Interval between two checks while memory is low, in milliseconds. */
const MEMORY_WAIT_MS = 100;

/** Limits starts by delay, load and memory. */
export class StartLimiter {
  readonly #limits: StartLimits;
  readonly #nowMs: () => number;
  /**
   * The load without the tasks of this run. Each of them counts as 1 while it runs, so that a burst of starts between two
   * measurements does not exceed the limit.
   */
  readonly #loadOfOthers: Measurement<[running: number]>;
  readonly #freeMemoryBytes: Measurement<[]>;
  #startedMs = -Infinity;

  /** @throws `Error` when the system does not report its load or memory. */
  constructor(limits: StartLimits, probes: Probes = SYSTEM) {
    this.#limits = limits;
    this.#nowMs = probes.nowMs;
    this.#loadOfOthers = new Measurement((running) => probes.load() - running, LOAD_MS);
    this.#freeMemoryBytes = new Measurement(probes.freeMemoryBytes, MEMORY_MS);
    try {
      const nowMs = this.#nowMs();
      if (limits.maxLoad !== undefined) this.#loadOfOthers.at(nowMs, 0);
      if (limits.minFreeMemoryBytes !== undefined) this.#freeMemoryBytes.at(nowMs);
    } catch (error) {
      const message = `Cannot start the pool: the load or the free memory is unavailable: ${systemReason(error)}`;
      throw new Error(message, { cause: error });
    }
  }

  /** Records the start of a task. */
  recordStart(): void {
    this.#startedMs = this.#nowMs();
  }

  /**
   * Returns the limit that delays the next start, with the time until the next check; `undefined` when no limit does.
   *
   * @param running The number of running tasks.
   */
  check(running: number): { reason: ThrottleReason; waitMs: number } | undefined {
    const { startDelayMs, maxLoad, minFreeMemoryBytes } = this.#limits;
    const nowMs = this.#nowMs();
    const delayMs = this.#startedMs + startDelayMs - nowMs;
    if (delayMs > 0) return { reason: "delay", waitMs: delayMs };
    if (maxLoad !== undefined && this.#loadOfOthers.at(nowMs, running) + running >= maxLoad) {
      return { reason: "load", waitMs: this.#loadOfOthers.measuredAtMs + LOAD_MS - nowMs };
    }
    if (minFreeMemoryBytes !== undefined && this.#freeMemoryBytes.at(nowMs) < minFreeMemoryBytes) {
      return { reason: "memory", waitMs: MEMORY_WAIT_MS };
    }
    return undefined;
  }
}

/** Caches a measurement. A failure after the first success returns the last value. */
class Measurement<Arguments extends unknown[]> {
  measuredAtMs = -Infinity;
  readonly #measure: (...args: Arguments) => number;
  readonly #maxAgeMs: number;
  #value: number | undefined;

  constructor(measure: (...args: Arguments) => number, maxAgeMs: number) {
    this.#measure = measure;
    this.#maxAgeMs = maxAgeMs;
  }

  at(nowMs: number, ...args: Arguments): number {
    if (this.#value !== undefined && nowMs - this.measuredAtMs < this.#maxAgeMs) return this.#value;
    this.measuredAtMs = nowMs;
    try {
      return this.#value = this.#measure(...args);
    } catch (error) {
      if (this.#value === undefined) throw error;
      return this.#value;
    }
  }
}
