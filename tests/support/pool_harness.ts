/** A pool with a controllable environment (source, executor, clock, consumer), and a model that checks the pool. */

import { takeBuffered } from "../../jsonl/source.ts";
import type { AttemptResult } from "../../pool/executor.ts";
import { ExecutorError, InvalidTaskError, type Run, run, type Task } from "../../mod.ts";
import { FakeClock } from "./fake_clock.ts";
import { type FakeExecution, FakeExecutor, type FakeResult, fakeResult, TERMINATED } from "./fake_executor.ts";
import { KILL_AFTER_MS, PoolModel } from "./pool_model.ts";
import type { AttemptState, PoolSettings } from "./pool_state.ts";

/** Settings of a pool and its environment. */
export interface HarnessSettings extends PoolSettings {
  /** The time when the executor opens: without `open()`, as soon as `open()` is called, or when the test decides. */
  opens: "unasked" | "at once" | "later";
  closes: "at once" | "later" | "with an error";
  /** If true, attempts end as soon as they are terminated. */
  diesAtOnce: boolean;
  /** If true, attempts end as soon as they start. */
  isInstant: boolean;
  /** If true, the source yields values that it has without a promise. */
  isBuffered: boolean;
  /** The value of `Math.random()`. */
  random: number;
  /** The tasks that the source has initially. */
  tasks: Partial<Task>[];
  /** The number of initial calls of `next()`. */
  asks: number;
}

/** A running attempt and its state in the model. */
export interface Live {
  execution: FakeExecution;
  model: AttemptState;
}

/** A value of the source, its end or its error. */
interface Supply {
  isValue: boolean;
  give(): IteratorResult<Task> | Promise<never>;
}

const WITHDRAWN = { ending: { kind: "withdrawn" } } as const;
/** Stands for the error of the pool about an invalid task. */
const INVALID_TASK = new TypeError("invalid task");

export class PoolHarness {
  readonly settings: HarnessSettings;
  readonly clock: FakeClock;
  readonly model: PoolModel;
  readonly run: Run;
  readonly executor: CheckedExecutor;
  /** Actions to perform in the next progress callbacks, one in each. */
  readonly #reactions: ((harness: PoolHarness) => void)[] = [];
  /** The values that the source will yield. */
  readonly #queue: Supply[] = [];
  #read: PromiseWithResolvers<IteratorResult<Task>> | undefined;
  #sourceHasEnded = false;
  #sourceIsClosed = false;
  #hasBegun = false;
  #pendingNext = 0;
  #processed = Promise.resolve();
  #isClosed = false;
  readonly #listeners = new Set<EventListenerOrEventListenerObject>();
  readonly #abort = new AbortController();

  constructor(settings: HarnessSettings) {
    this.settings = settings;
    this.clock = new FakeClock(() => settings.random);
    this.model = new PoolModel(settings, this.clock);
    this.executor = new CheckedExecutor(this);
    const { signal } = this.#abort;
    for (const [change, method] of [["add", "addEventListener"], ["delete", "removeEventListener"]] as const) {
      const real = signal[method].bind(signal);
      signal[method] = (type: string, listener: EventListenerOrEventListenerObject) => {
        this.#listeners[change](listener);
        real(type, listener);
      };
    }
    this.run = run(this.#source(), {
      executor: this.executor,
      concurrency: settings.concurrency,
      keepOrder: settings.keepOrder,
      retry: settings.retry,
      startDelayMs: settings.startDelayMs,
      timeoutMs: settings.timeoutMs,
      killAfterMs: KILL_AFTER_MS,
      halt: settings.halt,
      signal,
      onProgress: (progress) => {
        this.model.reports(progress);
        this.#reactions.shift()?.(this);
      },
      onAttemptStart: (attempt) => {
        const hook = this.model.callsHook(attempt);
        return { onEnd: (result) => this.model.callsOnEnd(hook, result) };
      },
    });
    const close = () => this.#isClosed = true;
    this.run.closed.then(close, close);
    for (const task of settings.tasks) this.supply(task);
    for (let count = 0; count < settings.asks; count++) this.next();
  }

  // ---- Actions of the consumer ----

  next(): void {
    this.model.asks();
    // The run checks its signal when it begins, and from then on.
    if (!this.#hasBegun && !this.model.hasReturned && this.#abort.signal.aborted) {
      this.model.stops(this.#abort.signal.reason);
    }
    this.#hasBegun = true;
    this.#pendingNext++;
    // Process results in the order of the calls, as one call may happen within another.
    const before = this.#processed;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#processed = promise;
    // oxlint-disable-next-line typescript/no-misused-promises -- `finally` waits for it
    this.run.next().finally(() => before).then(({ done, value }) => {
      this.#pendingNext--;
      if (done) this.model.finishes();
      else this.model.gives(value);
    }, (error) => {
      this.#pendingNext--;
      const known = error instanceof ExecutorError ? error.cause as Error : error;
      this.model.finishes(error instanceof InvalidTaskError ? INVALID_TASK : known);
    }).then(resolve).catch((error) => this.#violates(`a result is valid: ${error}`));
  }

  drain(): void {
    this.model.drains();
    this.run.drain();
  }

  abort(): void {
    const error = new Error("aborted");
    if (this.#abort.signal.aborted) return;
    if (this.#listeners.size > 0) this.model.stops(error);
    this.#abort.abort(error);
  }

  onNextProgress(react: (harness: PoolHarness) => void): void {
    this.#reactions.push(react);
  }

  failExecutor(): void {
    if (!this.executor.onFailure || !this.model.isOpen || this.executor.closed > 0) return;
    const error = new Error("the executor failed");
    this.model.executorFails(error);
    this.executor.onFailure(error);
    for (const live of this.live) this.endAttempt(live, WITHDRAWN);
  }

  kill(): void {
    this.model.kills();
    this.run.kill();
  }

  return(): void {
    this.model.returns();
    this.run.return().catch((error) => this.#violates(`return() does not reject: ${error}`));
  }

  setConcurrency(concurrency: number): void {
    this.model.concurrency = concurrency;
    this.run.concurrency = concurrency;
  }

  throwFromProgress(): never {
    const error = new Error("onProgress failed");
    this.model.stops(error);
    throw error;
  }

  // ---- Actions of the source and the executor ----

  supply(task: Partial<Task>): void {
    this.#enqueue(true, () => {
      this.model.supplies(task as { retries?: number; timeoutMs?: number });
      return { done: false, value: { cmd: "x", ...task } };
    });
  }

  supplyInvalidTask(): void {
    this.#enqueue(true, () => {
      this.model.sourceEnds(INVALID_TASK, false);
      return { done: false, value: { cmd: 5 } as never };
    });
  }

  endSource(error?: Error): void {
    if (this.#sourceHasEnded) return;
    this.#sourceHasEnded = true;
    this.#enqueue(false, () => {
      this.model.sourceEnds(error);
      return error ? Promise.reject(error) : { done: true, value: undefined };
    });
  }

  endAttempt({ execution, model }: Live, end: FakeResult | Error): void {
    if (end instanceof Error) {
      this.model.ends(model, end);
      execution.fail(end);
    } else {
      const stdout = { text: `${model.task.sequence}.${model.number}` };
      const whole = fakeResult({ ...end, stdout });
      this.model.ends(model, whole);
      execution.end(whole);
    }
  }

  exceedOutput({ execution, model }: Live): void {
    this.model.exceeds(model);
    execution.exceedOutput();
  }

  /** The running attempts. */
  get live(): Live[] {
    const { live } = this.model;
    return this.executor.started.filter(({ model }) => live.includes(model));
  }

  /** Withdraws an attempt that has not begun, after the pool has called `drain()`. */
  withdraw(live: Live): void {
    if (this.model.isDraining) this.endAttempt(live, WITHDRAWN);
  }

  /** Rejects if a guarantee was violated. */
  check(): Promise<void> {
    const { violation, history } = this.model;
    if (violation === undefined) return Promise.resolve();
    const text = [`Violated: ${violation}`, "State of the model:", this.model, "History:", ...history];
    return Promise.reject(new Error(text.join("\n")));
  }

  /** Advances the time and checks that the pool has done everything it had to. */
  wait(ms: number): Promise<void> {
    return this.clock.advance(ms, () => this.#settles());
  }

  #violates(promise: string): void {
    this.model.violation ??= promise;
  }

  #settles(): void {
    this.model.settles({
      haltedBy: this.run.haltedBy,
      isClosed: this.#isClosed,
      sourceIsClosed: this.#sourceIsClosed,
      pendingNext: this.#pendingNext,
      timers: this.clock.waiting,
      listensToSignal: this.#listeners.size > 0,
    });
  }

  /** Lets the run end, which must succeed after any schedule. */
  async finish(): Promise<void> {
    this.model.log("- the run is allowed to end");
    this.#reactions.length = 0;
    if (!this.#sourceHasEnded) this.endSource();
    this.executor.opening.resolve();
    this.executor.closing.resolve();
    for (let step = 0; !this.#isClosed && step < 1_000 && !this.model.violation; step++) {
      this.next();
      for (const live of this.live) this.endAttempt(live, {});
      await this.wait(1_000_000);
    }
    for (let step = 0; step < 2; step++) {
      for (const _ of this.model.tasks) this.next();
      await this.wait(0);
    }
    if (!this.#isClosed) this.model.violation ??= "a run ends";
    await this.check();
  }

  #source(): AsyncIterable<Task> {
    return {
      ...(this.settings.isBuffered && { [takeBuffered]: () => this.#takeBuffered() }),
      [Symbol.asyncIterator]: () => ({
        next: () => {
          this.model.reads();
          this.#read = Promise.withResolvers();
          const { promise } = this.#read;
          this.#deliver();
          return promise;
        },
        return: () => {
          if (this.#sourceIsClosed) this.model.violation ??= "the source is closed once";
          this.#sourceIsClosed = true;
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    };
  }

  #takeBuffered(): Task | undefined {
    if (!this.#queue[0]?.isValue) return undefined;
    this.model.reads();
    return (this.#queue.shift()!.give() as IteratorResult<Task>).value;
  }

  #enqueue(isValue: boolean, give: Supply["give"]): void {
    this.#queue.push({ isValue, give });
    this.#deliver();
  }

  #deliver(): void {
    if (!this.#read || this.#queue.length === 0) return;
    const read = this.#read;
    this.#read = undefined;
    read.resolve(this.#queue.shift()!.give());
  }
}

/** Executor that reports every call of the pool to the model. */
class CheckedExecutor extends FakeExecutor {
  readonly enforcesTimeout: boolean;
  readonly started: Live[] = [];
  readonly #atStart: (FakeResult | Error)[] = [];
  readonly opening = Promise.withResolvers<void>();
  readonly closing = Promise.withResolvers<void>();
  open?: (onFailure: (error: Error) => void) => Promise<void>;
  /** Reports a failure of the whole executor to the pool. */
  onFailure: ((error: Error) => void) | undefined;
  readonly #harness: PoolHarness;

  constructor(harness: PoolHarness) {
    super();
    this.#harness = harness;
    const { enforcesTimeout, opens, closes, diesAtOnce, isInstant } = harness.settings;
    const { model } = harness;
    this.enforcesTimeout = enforcesTimeout;
    if (opens !== "unasked") {
      model.isOpen = false;
      this.open = (onFailure) => {
        this.onFailure = onFailure;
        return this.opening.promise.then(() => model.opens(), (error) => {
          model.opens(error);
          throw error;
        });
      };
    }
    if (opens === "at once") this.opening.resolve();
    if (closes === "at once") this.closing.resolve();
    if (closes === "with an error") this.closing.reject(new Error("cannot close"));
    for (const { promise } of [this.opening, this.closing]) promise.catch(() => {}); // the run may never await them
    this.onStart = (execution) => {
      const attempt = model.starts(execution.attempt);
      const live = { execution, model: attempt };
      this.started.push(live);
      const end = this.#atStart.shift() ?? (isInstant ? {} : undefined);
      if (end instanceof Error) {
        model.ends(attempt, end);
        throw end;
      }
      if (end) harness.endAttempt(live, end);
      execution.endsAtOnce = false;
      execution.onTerminate = (reason, killAfterMs, isStopped) => {
        model.terminates(attempt, reason, killAfterMs, isStopped);
        if (isStopped && diesAtOnce) harness.endAttempt(live, { ending: TERMINATED });
      };
    };
  }

  /** The next attempt ends as soon as it is started; with an error, it cannot be started. */
  endAtStart(end: FakeResult | Error): void {
    this.#atStart.push(end);
  }

  drain(): void {
    this.#harness.model.drainsExecutor();
  }

  override discard(result: AttemptResult): Promise<void> {
    this.#harness.model.discards(result);
    return super.discard(result);
  }

  override async close(): Promise<void> {
    const { model } = this.#harness;
    model.closesExecutor();
    this.closed++;
    await this.closing.promise.then(() => model.executorCloses(), (error) => {
      model.executorCloses(error);
      throw error;
    });
  }
}
