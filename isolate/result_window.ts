/** The age up to which results may be unacknowledged, in milliseconds, when the caller takes them quickly. */
const AHEAD_MS = 50;
/** The shortest time over which the speed of the caller is measured, in milliseconds. */
const MEASURED_MS = 10;
/** The largest number of unacknowledged results. */
const MAX_RESULTS = 1024;

/**
 * Limits the number of results that the caller has not taken, so that tasks do not run far ahead of a slow caller. The
 * limit is higher for a quick caller: more results then share a frame, which costs both processes more than a result.
 */
export class ResultWindow {
  /** The number of results that may be unacknowledged. */
  size: number;
  readonly #minSize: number;
  readonly #nowMs: () => number;
  #sent = 0;
  #taken = 0;
  /** The number of results taken, and the time, at the beginning of the measurement. */
  #measured: { taken: number; atMs: number };

  /** @param nowMs Returns the time, which tests replace. */
  constructor(minSize: number, nowMs: () => number = () => performance.now()) {
    this.size = minSize;
    this.#minSize = minSize;
    this.#nowMs = nowMs;
    this.#measured = { taken: 0, atMs: nowMs() };
  }

  /** True when no further result may be sent. */
  get isFull(): boolean {
    return this.#sent - this.#taken >= this.size;
  }

  /** Records that a result is sent. */
  recordSent(): void {
    this.#sent++;
  }

  /** Records the number of results that the caller has taken so far. */
  recordTaken(taken: number): void {
    this.#taken = taken;
    const atMs = this.#nowMs();
    const elapsedMs = atMs - this.#measured.atMs;
    if (elapsedMs < MEASURED_MS) return;
    const expected = (taken - this.#measured.taken) / elapsedMs * AHEAD_MS;
    this.size = Math.max(this.#minSize, Math.min(MAX_RESULTS, Math.floor(expected)));
    this.#measured = { taken, atMs };
  }
}
