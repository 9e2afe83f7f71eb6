/**
 * Groups values by the signal that cancels them, with one listener for each signal: Node warns of a leak from the
 * eleventh listener on, and removes each in linear time.
 */
export class SignalWatch<T> {
  readonly #groups = new Map<AbortSignal, { values: Set<T>; onAbort: () => void }>();
  readonly #onAbort: (values: T[]) => void;

  /** @param onAbort Called when a signal is aborted, with the values that are watched for the signal. */
  constructor(onAbort: (values: T[]) => void) {
    this.#onAbort = onAbort;
  }

  /** Watches a signal, which must not be aborted yet, for a value. */
  add(signal: AbortSignal, value: T): void {
    let group = this.#groups.get(signal);
    if (!group) {
      const values = new Set<T>();
      group = { values, onAbort: () => this.#onAbort([...values]) };
      this.#groups.set(signal, group);
      signal.addEventListener("abort", group.onAbort);
    }
    group.values.add(value);
  }

  /** Forgets a value, and stops listening when it was the last one of the signal. */
  remove(signal: AbortSignal, value: T): void {
    const group = this.#groups.get(signal);
    if (!group?.values.delete(value) || group.values.size > 0) return;
    signal.removeEventListener("abort", group.onAbort);
    this.#groups.delete(signal);
  }
}
