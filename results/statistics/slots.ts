import type { AttemptFacts } from "./results_reader.ts";

/** The slot of an attempt. */
export type Place = Pick<AttemptFacts, "slot" | "worker">;

/** Returns the name of the worker that ran a task; `undefined` for a slot of this machine. */
export function workerName({ worker }: Place): string | undefined {
  return worker && `${worker.host} ${worker.pid}`;
}

/** Returns a key that is unique for each slot, because each worker numbers its own slots. */
export function slotKey(place: Place): string | number {
  return place.worker ? `${workerName(place)} ${place.slot}` : place.slot;
}
