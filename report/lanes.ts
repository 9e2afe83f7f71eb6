import type { LaneUtilization } from "./data.ts";
import { truncate } from "./truncate.ts";
import type { AttemptFacts } from "../results/statistics/results_reader.ts";
import { type Place, slotKey, workerName } from "../results/statistics/slots.ts";
import { TimeBuckets } from "../results/statistics/time_buckets.ts";

/** More lanes would be too thin to see. */
const MAX_LANES = 256;
/** More intervals would be too narrow to see. */
const MAX_INTERVALS = 512;

interface Lane {
  key: string | number;
  name: string;
  worker: string;
  slot: number;
  busy: number;
  notOk: number;
}

/** The slots of a run and their utilization over time. */
export class Lanes {
  readonly #grid = new TimeBuckets(MAX_INTERVALS);
  readonly #lanes = new Map<string | number, Lane>();
  readonly #omitted = new Set<string | number>();

  /** Adds an attempt to the lane of its slot. */
  add(attempt: AttemptFacts): void {
    const lane = this.#find(attempt);
    if (!lane) return;
    const endedMs = attempt.startedMs + attempt.durationMs;
    this.#grid.addSpan(lane.busy, attempt.startedMs, endedMs);
    if (attempt.outcome !== "ok") this.#grid.count(lane.notOk, endedMs);
  }

  /** Returns the name of a slot. */
  nameOf(place: Place): string {
    const worker = workerName(place);
    return worker === undefined ? `slot ${place.slot}` : `${truncate(worker)}, slot ${place.slot}`;
  }

  /** The number of slots that have no lane. */
  get omitted(): number {
    return this.#omitted.size;
  }

  /** The names of the lanes in the order of the slots. */
  get names(): string[] {
    return this.#sorted.map(({ name }) => name);
  }

  /** The index of each lane in {@linkcode names}, by the key of its slot. */
  get positions(): Map<string | number, number> {
    return new Map(this.#sorted.map(({ key }, position) => [key, position]));
  }

  /** The utilization of each lane over time. */
  get utilization(): LaneUtilization {
    const lanes = this.#sorted;
    const busy = lanes.map(({ busy }) => this.#grid.read(busy));
    const { fromMs, widthMs } = busy[0]!;
    return {
      fromMs,
      widthMs,
      busy: busy.map(({ values }) => values.map((ms) => Math.min(100, Math.ceil(100 * ms / widthMs)))),
      notOk: lanes.map(({ notOk }) => this.#grid.read(notOk).values),
    };
  }

  get #sorted(): Lane[] {
    return [...this.#lanes.values()].sort((one, other) =>
      one.worker < other.worker ? -1 : one.worker > other.worker ? 1 : one.slot - other.slot
    );
  }

  #find(place: Place): Lane | undefined {
    const key = slotKey(place);
    const known = this.#lanes.get(key);
    if (known) return known;
    if (this.#lanes.size === MAX_LANES) {
      this.#omitted.add(key);
      return undefined;
    }
    const lane: Lane = {
      key,
      name: this.nameOf(place),
      worker: workerName(place) ?? "",
      slot: place.slot,
      busy: this.#grid.addSeries(),
      notOk: this.#grid.addSeries(),
    };
    this.#lanes.set(key, lane);
    return lane;
  }
}
