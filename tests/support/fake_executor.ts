import {
  type Attempt,
  type AttemptCallbacks,
  type AttemptResult,
  type AttemptStop,
  type Execution,
  type Executor,
  resultWithoutOutput,
} from "../../pool/executor.ts";
import { StopCause } from "../../pool/stop_cause.ts";

/** How a fake attempt ends: the fields that matter to a test. `status` is short for the ending `exited`, and 0 by default. */
export type FakeResult = Partial<AttemptResult> & { status?: number };

/** Completes the result of a fake attempt. */
export function fakeResult({ status = 0, ...result }: FakeResult = {}): AttemptResult {
  return { ...resultWithoutOutput({ kind: "exited", status }, 1), ...result };
}

/** The ending of an attempt that SIGTERM ended. */
export const TERMINATED = { kind: "signaled", signal: "SIGTERM", status: 143 } as const;

/** An attempt that the test ends, whenever it wants. */
export class FakeExecution implements Execution {
  readonly attempt: Attempt;
  /** Tells the pool that there was too much output. */
  readonly exceedOutput: () => void;
  /** Tells the pool that the command begins. */
  readonly begin: () => void;
  /** The `killAfterMs` of each call of `terminate`. */
  readonly terminations: number[] = [];
  /** What it answers when it is asked whether the command has ended. */
  systemSaysEnded: boolean | undefined;
  /** Whether it ends when it is terminated, and not only when the test says so. */
  endsAtOnce = true;
  /** Called for each termination, with whether there was something to end. */
  onTerminate: (reason: AttemptStop, killAfterMs: number, isStopped: boolean) => void = () => {};
  readonly #stop = new StopCause();
  #hasEnded = false;
  readonly #ended = Promise.withResolvers<AttemptResult>();

  constructor(attempt: Attempt, { onOutputLimit, onStart }: AttemptCallbacks) {
    this.attempt = attempt;
    this.exceedOutput = onOutputLimit;
    this.begin = onStart;
  }

  get ended(): Promise<AttemptResult> {
    return this.#ended.promise;
  }

  hasEnded(): boolean | undefined {
    return this.systemSaysEnded;
  }

  terminate(reason: AttemptStop, killAfterMs: number): void {
    const isStopped = !this.#hasEnded;
    this.#stop.request(reason);
    this.terminations.push(killAfterMs);
    this.onTerminate(reason, killAfterMs, isStopped);
    if (isStopped && this.endsAtOnce) this.end({ ending: TERMINATED });
  }

  /** Ends the command by itself. Its result is still to come. */
  exit(): void {
    this.#hasEnded = true;
    this.#stop.end();
  }

  end(result: FakeResult = {}): void {
    this.exit();
    this.#ended.resolve(this.#stop.applyTo(fakeResult(result)));
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
  readonly discarded: AttemptResult[] = [];
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

  discard(result: AttemptResult): Promise<void> {
    this.discarded.push(result);
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
