/** The time that starts may block the event loop before other events get a turn. */
const MAX_BLOCKED_MS = 10;

/**
 * Yields to the event loop between starts of processes. Runtimes block while they start a process, for milliseconds where
 * fork is slow. Without pauses, timeouts of the first processes would fire before the program sees that they ended.
 */
export class StartPacer {
  #blockedMs = 0;
  #turn: Promise<void> | undefined;

  /** Calls `start`, after a turn of the event loop if earlier calls have blocked the loop for long. */
  async start<T>(start: () => Promise<T>): Promise<T> {
    while (this.#blockedMs > MAX_BLOCKED_MS) await this.#nextTurn();
    const startedMs = performance.now();
    const started = start();
    this.#blockedMs += performance.now() - startedMs;
    return await started;
  }

  #nextTurn(): Promise<void> {
    return this.#turn ??= new Promise((resolve) => {
      // On Deno, a turn without a timer does not poll for I/O.
      setTimeout(() => {
        this.#blockedMs = 0;
        this.#turn = undefined;
        resolve();
      });
    });
  }
}
