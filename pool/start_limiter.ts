import { freeMemoryBytes } from "../system/free_memory.ts";
import { systemReason } from "../system/system_error.ts";
import { systemLoad } from "../system/system_load.ts";

/**
 * What holds back the start of a task: {@linkcode RunOptions.startDelayMs}, `maxLoad` or `minFreeMemoryBytes`; or the
 * system, which has no more processes, descriptors or memory.
 */
export type ThrottleReason = "delay" | "load" | "memory" | "shortage";

/** When tasks may be started. */
export interface StartLimits {
  /** The shortest time between two starts. */
  startDelayMs: number;
  /** Nothing is started unless the load is less. */
  maxLoad: number | undefined;
  /** Nothing is started unless so much memory is free. */
  minFreeMemoryBytes: number | undefined;
}

/** What the gate sees of the world. */
export interface Probes {
  nowMs: () => number;
  load: () => number;
  freeMemoryBytes: () => number;
}

const SYSTEM: Probes = { nowMs: () => performance.now(), load: systemLoad, freeMemoryBytes };

/** Looking through all processes takes a while, and more when there is much load. */
const LOAD_MS = 1_000;
/** How long a look at the memory is good for. Tasks can take it quickly. */
const MEMORY_MS = 10;
/** How long to wait for more memory. */
const MEMORY_WAIT_MS = 100;

/** Holds back starts. */
export class StartLimiter {
  readonly #limits: StartLimits;
  readonly #nowMs: () => number;
  /**
   * The load without the tasks that run, each of which counts as one from its start to its end. Else all that have room
   * would be started between two looks.
   */
  readonly #loadOfOthers: View<[running: number]>;
  readonly #freeMemoryBytes: View<[]>;
  #startedMs = -Infinity;

  /** @throws `Error` when the system does not tell its load or memory. */
  constructor(limits: StartLimits, probes: Probes = SYSTEM) {
    this.#limits = limits;
    this.#nowMs = probes.nowMs;
    this.#loadOfOthers = new View((running) => probes.load() - running, LOAD_MS);
    this.#freeMemoryBytes = new View(probes.freeMemoryBytes, MEMORY_MS);
    try {
      const nowMs = this.#nowMs();
      if (limits.maxLoad !== undefined) this.#loadOfOthers.at(nowMs, 0);
      if (limits.minFreeMemoryBytes !== undefined) this.#freeMemoryBytes.at(nowMs);
    } catch (error) {
      const what = `Cannot start the pool: the load or the free memory cannot be seen: ${systemReason(error)}`;
      throw new Error(what, { cause: error });
    }
  }

  /** Says that a task was started. */
  started(): void {
    this.#startedMs = this.#nowMs();
  }

  /**
   * What holds back the next start, and when to ask again; `undefined` when nothing does.
   *
   * @param running how many tasks run now.
   */
  check(running: number): { reason: ThrottleReason; waitMs: number } | undefined {
    const { startDelayMs, maxLoad, minFreeMemoryBytes } = this.#limits;
    const nowMs = this.#nowMs();
    const delayMs = this.#startedMs + startDelayMs - nowMs;
    if (delayMs > 0) return { reason: "delay", waitMs: delayMs };
    if (maxLoad !== undefined && this.#loadOfOthers.at(nowMs, running) + running >= maxLoad) {
      return { reason: "load", waitMs: this.#loadOfOthers.lookedAtMs + LOAD_MS - nowMs };
    }
    if (minFreeMemoryBytes !== undefined && this.#freeMemoryBytes.at(nowMs) < minFreeMemoryBytes) {
      return { reason: "memory", waitMs: MEMORY_WAIT_MS };
    }
    return undefined;
  }
}

/** A look at the system that is good for a while. Once there was one, an old one is better than none. */
class View<Arguments extends unknown[]> {
  readonly #look: (...args: Arguments) => number;
  readonly #goodForMs: number;
  lookedAtMs = -Infinity;
  #seen: number | undefined;

  constructor(look: (...args: Arguments) => number, goodForMs: number) {
    this.#look = look;
    this.#goodForMs = goodForMs;
  }

  at(nowMs: number, ...args: Arguments): number {
    if (this.#seen !== undefined && nowMs - this.lookedAtMs < this.#goodForMs) return this.#seen;
    this.lookedAtMs = nowMs;
    try {
      return this.#seen = this.#look(...args);
    } catch (error) {
      if (this.#seen === undefined) throw error;
      return this.#seen;
    }
  }
}
