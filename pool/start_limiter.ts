import { freeMemoryBytes } from "../system/free_memory.ts";
import { systemReason } from "../system/system_error.ts";
import { systemLoad } from "../system/system_load.ts";

/**
 * The limit that holds back a start: `delay`, `load` and `memory` are {@linkcode PoolOptions.startDelayMs}, `maxLoad` and
 * `minFreeMemoryBytes`; `shortage` is the system, which has run out of processes, descriptors or memory.
 */
export type ThrottleReason = "delay" | "load" | "memory" | "shortage";

/** Limits for the start of tasks. */
export interface StartLimits {
  /** The minimum time between two starts. */
  startDelayMs: number;
  /** The load from which on no task starts. */
  maxLoad: number | undefined;
  /** The free memory below which no task starts. */
  minFreeMemoryBytes: number | undefined;
}

/** Sources of the measurements, for tests to replace. */
export interface Probes {
  nowMs: () => number;
  load: () => number;
  freeMemoryBytes: () => number;
}

const SYSTEM: Probes = { nowMs: () => performance.now(), load: systemLoad, freeMemoryBytes };

/** Interval between two measurements of the load, in milliseconds: reading all processes takes a while. */
const LOAD_MS = 1_000;
/** Age up to which a measurement of the memory is used, in milliseconds: tasks can fill memory quickly. */
const MEMORY_MS = 10;
/** Interval between two checks while memory is low, in milliseconds. */
const MEMORY_WAIT_MS = 100;

/** Holds back starts by delay, load and memory. */
export class StartLimiter {
  readonly #limits: StartLimits;
  readonly #nowMs: () => number;
  /**
   * The load without our own tasks. Each of these counts as 1 from its start to its end; otherwise a burst of starts
   * between two measurements would overshoot.
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
      const message = `Cannot start the pool: the load or the free memory cannot be read: ${systemReason(error)}`;
      throw new Error(message, { cause: error });
    }
  }

  /** Records the start of a task. */
  recordStart(): void {
    this.#startedMs = this.#nowMs();
  }

  /**
   * Returns the limit that holds back the next start, and when to ask again; `undefined` when none does.
   *
   * @param running The number of tasks that run.
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

/** Caches a measurement for a while. After the first success, a failure returns the last value. */
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
