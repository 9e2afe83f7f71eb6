import type { AttemptFacts, ResultFacts } from "../../results/statistics/results_reader.ts";
import { TimeBuckets, type TimeSeries } from "../../results/statistics/time_buckets.ts";
import { grown } from "./result_graph.ts";

/** More resources would be too many charts. */
const MAX_RESOURCES = 8;
/** Maximum number of other resources to count. */
const MAX_OMITTED = 10_000;
/** More intervals would be too narrow to see. */
const MAX_INTERVALS = 512;
/** Number of attempts of which the peak is computed, which takes 24 bytes for each. */
const MAX_ATTEMPTS = 2_000_000;
/**
 * Starts are accurate to a millisecond, so that an attempt can seem to start before the attempt has ended whose units it has
 * taken over. A shorter overlap is none. Slightly more than a millisecond, because numbers are rounded.
 */
const CLOCK_MS = 1.001;

/** The use of a resource. */
export interface ResourceFigures {
  name: string;
  /** The sum over all attempts of their units times their milliseconds. */
  unitMs: number;
  /** The maximum number of units in use at a time; `undefined` if there were too many attempts to compute it. */
  peak: number | undefined;
  /** The sum of units times milliseconds in each interval of the run. */
  series: TimeSeries;
}

/** The units of resources that tasks occupy over time. */
export class ResourceUse {
  readonly #buckets = new TimeBuckets(MAX_INTERVALS);
  readonly #resources = new Map<string, Resource>();
  readonly #omitted = new Set<string>();

  /** The number of resources that are left out. */
  get omitted(): number {
    return this.#omitted.size;
  }

  /** Adds the attempts of a result. */
  add(facts: ResultFacts): void {
    if (facts.uses === undefined || facts.attempts === 0) return;
    for (const [name, units] of Object.entries(facts.uses)) {
      const resource = units > 0 && this.#find(name);
      if (!resource) continue;
      for (const attempt of facts.earlierAttempts) this.#add(resource, attempt, units);
      this.#add(resource, facts, units);
    }
  }

  /** The use of each resource, in the order of their names. */
  get figures(): ResourceFigures[] {
    return [...this.#resources].sort(([one], [other]) => one < other ? -1 : 1).map(([name, resource]) => ({
      name,
      unitMs: resource.unitMs,
      peak: resource.periods?.peak(),
      series: this.#buckets.read(resource.series),
    }));
  }

  #find(name: string): Resource | undefined {
    let resource = this.#resources.get(name);
    if (resource) return resource;
    if (this.#resources.size === MAX_RESOURCES) {
      if (this.#omitted.size < MAX_OMITTED) this.#omitted.add(name);
      return undefined;
    }
    resource = { series: this.#buckets.addSeries(), unitMs: 0, periods: new Periods() };
    this.#resources.set(name, resource);
    return resource;
  }

  #add(resource: Resource, { startedMs, durationMs }: AttemptFacts, units: number): void {
    resource.unitMs += units * durationMs;
    this.#buckets.addSpan(resource.series, startedMs, startedMs + durationMs, units);
    resource.periods?.add(startedMs, Math.max(startedMs, startedMs + durationMs - CLOCK_MS), units);
    if (resource.periods?.size === MAX_ATTEMPTS) resource.periods = undefined;
  }
}

interface Resource {
  series: number;
  unitMs: number;
  periods: Periods | undefined;
}

/** Periods in which units are in use. */
class Periods {
  #starts = new Float64Array(64);
  #ends = new Float64Array(64);
  #units = new Float64Array(64);
  size = 0;

  add(startMs: number, endMs: number, units: number): void {
    if (this.size === this.#starts.length) {
      this.#starts = grown(this.#starts);
      this.#ends = grown(this.#ends);
      this.#units = grown(this.#units);
    }
    this.#starts[this.size] = startMs;
    this.#ends[this.size] = endMs;
    this.#units[this.size++] = units;
  }

  /** Returns the maximum number of units in use at a time. */
  peak(): number {
    const [starts, ends, units] = [this.#starts, this.#ends, this.#units];
    const byStart = Uint32Array.from({ length: this.size }, (_, index) => index);
    byStart.sort((one, other) => starts[one]! - starts[other]!);
    // A period without a length overlaps no later period.
    const byEnd = byStart.filter((index) => ends[index]! > starts[index]!);
    byEnd.sort((one, other) => ends[one]! - ends[other]!);
    let [inUse, peak, ended] = [0, 0, 0];
    for (const index of byStart) {
      while (ends[byEnd[ended]!]! < starts[index]!) inUse -= units[byEnd[ended++]!]!;
      peak = Math.max(peak, inUse + units[index]!);
      if (ends[index]! > starts[index]!) inUse += units[index]!;
    }
    return peak;
  }
}
