import type { ResultFacts } from "./results_reader.ts";

type Place = Pick<ResultFacts, "slot" | "worker">;

/** The process on another machine that ran a task; `undefined` when it ran in the run's own slots. */
export function workerName({ worker }: Place): string | undefined {
  return worker && `${worker.host} ${worker.pid}`;
}

/** Tells the slot of a result from all others: those of each worker have numbers of their own. */
export function slotKey(place: Place): string | number {
  return place.worker ? `${workerName(place)} ${place.slot}` : place.slot;
}
