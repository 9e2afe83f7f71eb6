/**
 * Groups values by the signal that cancels them, with one listener per signal. With more than ten listeners on a signal,
 * Node warns of a leak, and removing each takes linear time.
 */
export class SignalWatch<T> {
  readonly #groups = new Map<AbortSignal, { values: Set<T>; onAbort: () => void }>();
  readonly #onAbort: (values: T[]) => void;

  /** @param onAbort Called when a signal is aborted, with the values of that signal. */
  constructor(onAbort: (values: T[]) => void) {
    this.#onAbort = onAbort;
  }

  /** Adds a value to a signal, which must not be aborted yet. */
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

  /** Removes an added value, and stops listening to a signal without values. */
  remove(signal: AbortSignal, value: T): void {
    const group = this.#groups.get(signal)!;
    group.values.delete(value);
    if (group.values.size > 0) return;
    signal.removeEventListener("abort", group.onAbort);
    this.#groups.delete(signal);
  }
}
