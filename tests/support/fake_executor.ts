import type { Attempt, AttemptCallbacks, AttemptEnd, AttemptStop, Execution, Executor } from "../../pool/executor.ts";

/** An attempt that the test ends, whenever it wants. */
export class FakeExecution implements Execution {
  readonly attempt: Attempt;
  /** Tells the pool that there was too much output. */
  readonly exceedOutput: () => void;
  /** Tells the pool that the command begins. */
  readonly begin: () => void;
  /** Each call of `terminate`, by its argument. */
  readonly terminations: number[] = [];
  /** What `terminate` answers; `false` stands for an attempt that has ended by itself. */
  canBeTerminated = true;
  /** What it answers when it is asked whether the command has ended. */
  systemSaysEnded: boolean | undefined;
  /** Whether it ends when it is terminated, and not only when the test says so. */
  endsAtOnce = true;
  /** Called each time that it is terminated, with whether there was something to end. */
  onTerminate: (killAfterMs: number, reason: AttemptStop | undefined, isStopped: boolean) => void = () => {};
  #hasEnded = false;
  readonly #ended = Promise.withResolvers<AttemptEnd>();

  constructor(attempt: Attempt, { onOutputLimit, onStart }: AttemptCallbacks) {
    this.attempt = attempt;
    this.exceedOutput = onOutputLimit;
    this.begin = onStart;
  }

  get ended(): Promise<AttemptEnd> {
    return this.#ended.promise;
  }

  hasEnded(): boolean | undefined {
    return this.systemSaysEnded;
  }

  terminate(killAfterMs: number, reason?: AttemptStop): boolean {
    const isStopped = this.canBeTerminated && !this.#hasEnded;
    this.terminations.push(killAfterMs);
    this.onTerminate(killAfterMs, reason, isStopped);
    if (isStopped && this.endsAtOnce) this.end({ status: 143, signal: "SIGTERM" });
    return isStopped;
  }

  end(end: Partial<AttemptEnd> = {}): void {
    this.#hasEnded = true;
    this.#ended.resolve({ status: 0, durationMs: 1, stdout: { text: "" }, stderr: { text: "" }, ...end });
  }

  fail(error: Error): void {
    this.#hasEnded = true;
    this.#ended.reject(error);
  }
}

/** An executor that starts nothing: the test decides when and how each attempt ends. */
export class FakeExecutor implements Executor {
  /** Every attempt so far. */
  readonly executions: FakeExecution[] = [];
  readonly discarded: AttemptEnd[] = [];
  closed = 0;
  /** Called for each attempt as it starts. A rejection fails the attempt. */
  onStart: (execution: FakeExecution) => unknown = () => {};

  start(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    const execution = new FakeExecution(attempt, callbacks);
    this.executions.push(execution);
    const started = this.onStart(execution);
    if (started instanceof Promise) started.catch((error) => execution.fail(error));
    return execution;
  }

  discard(end: AttemptEnd): Promise<void> {
    this.discarded.push(end);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

/** An executor whose attempts end at once, with status 0. */
export function instantExecutor(): FakeExecutor {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.end();
  return executor;
}
