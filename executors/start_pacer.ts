/** The longest time that starts of processes block the event loop before ends of processes, timers and results have a turn. */
const MAX_BLOCKED_MS = 10;

/**
 * Lets the event loop turn between starts of processes. The runtimes block while they start one, which takes milliseconds
 * where fork is dear: without turns in between, timers of those that were started first would go off before their ends are
 * seen.
 */
export class StartPacer {
  #blockedMs = 0;
  #turn: Promise<void> | undefined;

  /** Starts a process when it is time. */
  async start<T>(start: () => Promise<T>): Promise<T> {
    while (this.#blockedMs > MAX_BLOCKED_MS) await this.#nextTurn();
    const startedMs = performance.now();
    const started = start();
    this.#blockedMs += performance.now() - startedMs;
    return await started;
  }

  #nextTurn(): Promise<void> {
    return this.#turn ??= new Promise((resolve) => {
      // Deno sees nothing from outside in a turn without a timer.
      setTimeout(() => {
        this.#blockedMs = 0;
        this.#turn = undefined;
        resolve();
      });
    });
  }
}
