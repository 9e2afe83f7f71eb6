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

/** The result of a fake attempt: the fields that matter to a test. `status` is short for the ending `exited`; default: 0. */
export type FakeResult = Partial<AttemptResult> & { status?: number };

/** Completes the result of a fake attempt. */
export function fakeResult({ status = 0, ...result }: FakeResult = {}): AttemptResult {
  return { ...resultWithoutOutput({ kind: "exited", status }, 1), ...result };
}

/** The ending of an attempt that SIGTERM ended. */
export const TERMINATED = { kind: "signaled", signal: "SIGTERM", status: 143 } as const;

/** Fake attempt, which the test ends. */
export class FakeExecution implements Execution {
  readonly attempt: Attempt;
  /** Notifies the pool that the attempt has exceeded its output limit. */
  readonly exceedOutput: () => void;
  /** Notifies the pool that the command has started. */
  readonly begin: () => void;
  /** The `killAfterMs` of each call of `terminate`. */
  readonly terminations: number[] = [];
  /** Return value of `hasEnded`. */
  systemSaysEnded: boolean | undefined;
  /** If true, `terminate` ends the attempt immediately; otherwise only the test does. */
  endsAtOnce = true;
  /** Called by `terminate`. `isStopped` is true when the attempt was still running. */
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

/** Executor that starts no processes: the test decides when and how each attempt ends. */
export class FakeExecutor implements Executor {
  /** All attempts so far. */
  readonly executions: FakeExecution[] = [];
  readonly discarded: AttemptResult[] = [];
  closed = 0;
  /** Called for each attempt that starts. A rejection fails the attempt. */
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

/** Returns an executor whose attempts end immediately with status 0. */
export function instantExecutor(): FakeExecutor {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.end();
  return executor;
}
