import { checkAttemptResult } from "./check_attempt_result.ts";
import type { Attempt, AttemptCallbacks, AttemptResult, Execution, Executor } from "./executor.ts";

/** An executor of the caller, whose results are validated. The executors of this module need no validation. */
export class CheckedExecutor implements Executor {
  readonly concurrency: number | undefined;
  readonly enforcesTimeout: boolean | undefined;
  readonly reportsStart: boolean | undefined;
  readonly reportsOutput: boolean | undefined;
  readonly queuesAttempts: boolean | undefined;
  readonly open?: NonNullable<Executor["open"]>;
  readonly drain?: NonNullable<Executor["drain"]>;
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.concurrency = executor.concurrency;
    this.enforcesTimeout = executor.enforcesTimeout;
    this.reportsStart = executor.reportsStart;
    this.reportsOutput = executor.reportsOutput;
    this.queuesAttempts = executor.queuesAttempts;
    if (executor.open) this.open = (onFailure) => executor.open!(onFailure);
    if (executor.drain) this.drain = () => executor.drain!();
    this.#executor = executor;
  }

  start(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    return new CheckedExecution(this.#executor.start(attempt, callbacks));
  }

  discard(result: AttemptResult): Promise<void> {
    return this.#executor.discard(result);
  }

  close(): Promise<void> {
    return this.#executor.close();
  }
}

class CheckedExecution implements Execution {
  readonly ended: Promise<AttemptResult>;
  readonly #execution: Execution;

  constructor(execution: Execution) {
    this.#execution = execution;
    this.ended = validated(execution.ended);
  }

  hasEnded(): boolean | undefined {
    return this.#execution.hasEnded?.();
  }

  terminate(...[reason, killAfterMs]: Parameters<Execution["terminate"]>): void {
    return this.#execution.terminate(reason, killAfterMs);
  }

  tryWithdraw(): boolean {
    return this.#execution.tryWithdraw?.() === true;
  }
}

async function validated(ended: Promise<AttemptResult>): Promise<AttemptResult> {
  return checkAttemptResult(await ended);
}
