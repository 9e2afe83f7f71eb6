/** Keeps the workers of one kind, by slot. @module */

import type { AttemptWorker } from "./attempt_worker.ts";

/** Creates and removes the workers of {@linkcode SlotWorkers}. */
export interface WorkerFactory<Worker> {
  /**
   * Prepares the worker of a slot, and starts a new worker if the current one is missing. Returns `undefined` when the
   * slot cannot have a worker. Must not reject.
   */
  prepare: (slot: number, current: Worker | undefined) => Promise<Worker | undefined>;
  /** Returns false while a usable worker needs {@linkcode prepare}. */
  isReady: (worker: Worker) => boolean;
  /** Retires a worker that cannot run further attempts, and removes its directory. */
  dismiss: (worker: Worker) => void;
}

/** The workers of one kind, by slot. */
export class SlotWorkers<Worker extends Pick<AttemptWorker<unknown>, "isUsable" | "canQueue" | "directory">> {
  readonly #factory: WorkerFactory<Worker>;
  readonly #workers = new Map<number, Worker>();
  readonly #starting = new Map<number, Promise<Worker | undefined>>();

  constructor(factory: WorkerFactory<Worker>) {
    this.#factory = factory;
  }

  /** Returns the worker of a slot, synchronously when it is ready; `undefined` when there is none. Never rejects. */
  worker(slot: number): Worker | Promise<Worker | undefined> {
    const starting = this.#starting.get(slot);
    if (starting) return starting;
    const current = this.#workers.get(slot);
    const isUsable = current?.isUsable && current.directory.hasSpace;
    if (isUsable && this.#factory.isReady(current)) return current;
    if (current && !isUsable) this.#factory.dismiss(current);
    const ready = this.#factory.prepare(slot, isUsable ? current : undefined)
      .finally(() => this.#starting.delete(slot));
    this.#starting.set(slot, ready);
    return ready;
  }

  /** Returns the worker of a slot that runs an attempt, when this worker can run another one; otherwise `undefined`. */
  busyWorker(slot: number): Worker | undefined {
    const worker = this.#workers.get(slot);
    const canQueue = worker?.canQueue && worker.directory.hasSpace && this.#factory.isReady(worker);
    return canQueue && !this.#starting.has(slot) ? worker : undefined;
  }

  /** Sets the worker of a slot. */
  set(slot: number, worker: Worker): void {
    this.#workers.set(slot, worker);
  }

  /** Dismisses the workers of the slots for which `isIdle` returns true. */
  dismissIdle(isIdle: (slot: number) => boolean): void {
    for (const [slot, worker] of this.#workers) {
      if (isIdle(slot) && !this.#starting.has(slot)) this.#factory.dismiss(worker);
    }
  }

  /** Returns all workers. */
  values(): Iterable<Worker> {
    return this.#workers.values();
  }

  /** Settles when no worker is starting. */
  async settled(): Promise<void> {
    await Promise.all(this.#starting.values());
  }
}
