import type { ProcessGuard } from "../spawn_adapters/guard.ts";
import type { Attempt, AttemptEnd, Execution, Executor } from "./types.ts";

/** An executor with the guard that watches its processes, and only these. */
export class GuardedExecutor implements Executor {
  readonly #executor: Executor;
  readonly #guard: ProcessGuard;

  constructor(executor: Executor, guard: ProcessGuard) {
    this.#executor = executor;
    this.#guard = guard;
  }

  start(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    return this.#executor.start(attempt, callbacks);
  }

  discard(end: AttemptEnd): Promise<void> {
    return this.#executor.discard(end);
  }

  async close(): Promise<void> {
    try {
      await this.#executor.close();
    } finally {
      await this.#guard.close();
    }
  }
}
