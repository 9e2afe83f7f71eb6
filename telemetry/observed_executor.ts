import type { Attempt, AttemptCallbacks, AttemptEnd, AttemptStop, Execution, Executor } from "../pool/executor.ts";

/** What is told how an attempt goes. */
export interface AttemptObserver {
  /** Variables for the environment of the task. */
  env: Attempt["env"];
  /** Called when it has ended, with nothing when it is not known how, as the executor has failed. */
  ended(end: AttemptEnd | undefined): void;
}

/** An executor of which each attempt is observed. What is observed is that of another executor. */
export class ObservedExecutor implements Executor {
  readonly #executor: Executor;
  readonly #observe: (attempt: Attempt) => AttemptObserver;

  /** @param observe is called for each attempt before it is started. */
  constructor(executor: Executor, observe: (attempt: Attempt) => AttemptObserver) {
    this.#executor = executor;
    this.#observe = observe;
  }

  get concurrency(): number | undefined {
    return this.#executor.concurrency;
  }

  get keepsTime(): boolean | undefined {
    return this.#executor.keepsTime;
  }

  get reportsStart(): boolean | undefined {
    return this.#executor.reportsStart;
  }

  async open(onFailure: (error: Error) => void): Promise<void> {
    await this.#executor.open?.(onFailure);
  }

  start(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    const observer = this.#observe(attempt);
    try {
      const execution = this.#executor.start({ ...attempt, env: observer.env }, callbacks);
      return new ObservedExecution(execution, observer);
    } catch (error) {
      observer.ended(undefined);
      throw error;
    }
  }

  drain(): void {
    this.#executor.drain?.();
  }

  discard(end: AttemptEnd): Promise<void> {
    return this.#executor.discard(end);
  }

  close(): Promise<void> {
    return this.#executor.close();
  }
}

class ObservedExecution implements Execution {
  readonly ended: Promise<AttemptEnd>;
  readonly #execution: Execution;
  #stoppedBy: AttemptStop | undefined;

  constructor(execution: Execution, observer: AttemptObserver) {
    this.#execution = execution;
    this.ended = execution.ended.then((end) => {
      observer.ended({ ...end, stoppedBy: this.#stoppedBy ?? end.stoppedBy });
      return end;
    }, (error) => {
      observer.ended(undefined);
      throw error;
    });
  }

  hasEnded(): boolean | undefined {
    return this.#execution.hasEnded?.();
  }

  terminate(killAfterMs: number, reason?: AttemptStop): boolean {
    const isStopped = this.#execution.terminate(killAfterMs, reason);
    if (isStopped || reason === "output-limit") this.#stoppedBy ??= reason;
    return isStopped;
  }
}
