/** Runs a workflow with a controllable source, executor, clock and consumer, and a model that checks the pool. */

import { takeBuffered } from "../../jsonl/source.ts";
import type { Outcome, Task, TaskResult } from "../../mod.ts";
import { PooledRun } from "../../pool/run.ts";
import { MemoryTasks } from "../../pool/workflow/memory_tasks.ts";
// The run imports these dynamically, and must not wait for their first load.
import "../../pool/workflow/seen_tasks.ts";
import "../../pool/workflow/workflow_feed.ts";
import { isWorkflowTask } from "../../pool/task_feed.ts";
import type { CheckedTask } from "../../records/task.ts";
import { FakeClock } from "./fake_clock.ts";
import { type FakeExecution, FakeExecutor, type FakeResult } from "./fake_executor.ts";
import { WorkflowModel, type WorkflowRunSettings } from "./workflow_model.ts";

/** Settings of a run and its environment. */
export interface WorkflowHarnessSettings extends WorkflowRunSettings {
  readonly tasks: readonly Task[];
  /** An array is read at once; a stream delivers when the test decides. */
  readonly source: "array" | "iterable" | "stream" | "buffered";
  /** The number of tasks that can be read before reading a held task fails. */
  readonly failsAfter: number;
  /** The number of initial calls of `next()`. */
  readonly asks: number;
  /** If true, attempts end as soon as they start. */
  readonly isInstant: boolean;
}

/** An action on the run or its environment. */
export type WorkflowAction =
  | { kind: "end"; index: number; how: keyof typeof ENDS }
  | { kind: "supply" | "next" | "wait" | "concurrency"; count: number }
  | { kind: "drain" | "abort" | "kill" | "return" | "fail source" };

/** Possible ends of attempts. */
export const ENDS = {
  ok: { outcome: "ok", result: {} },
  failed: { outcome: "failed", result: { status: 1 } },
  killed: { outcome: "killed", result: { ending: { kind: "signaled", signal: "SIGKILL", status: 137 } } },
  "not started": { outcome: "not-started", result: { ending: { kind: "spawn-failed", status: 127, reason: "none" } } },
} as const satisfies Record<string, { outcome: Outcome; result: FakeResult }>;

const MAX_STEPS = 500;

/** Lets a dynamic import and everything before it settle. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

export class WorkflowHarness {
  readonly model: WorkflowModel;
  readonly results: TaskResult[] = [];
  readonly #settings: WorkflowHarnessSettings;
  readonly clock: FakeClock;
  readonly #run: PooledRun;
  readonly #executor = new FakeExecutor();
  readonly #abort = new AbortController();
  readonly #errors: unknown[] = [];
  #reactions: WorkflowAction[] = [];
  #supplied = 0;
  #isClosed = false;
  #sourceFails = false;
  #read: PromiseWithResolvers<IteratorResult<Task>> | undefined;
  #given = 0;
  #pendingNext = 0;
  #previous = Promise.resolve();

  constructor(settings: WorkflowHarnessSettings) {
    this.#settings = settings;
    const clock = this.clock = new FakeClock(() => this.model.random);
    const isHeld = settings.failsAfter !== Infinity;
    this.model = new WorkflowModel({ ...settings, ...(isHeld && { maxWaiting: Infinity }) }, clock);
    const { tasks, estimates, recorded } = settings;
    this.#executor.onStart = (execution) => {
      const { attempt } = execution;
      this.model.starts(attempt);
      execution.onTerminate = (_reason, _killAfterMs, isStopped) => {
        if (isStopped) this.model.ends(attempt.sequence - 1, "canceled");
      };
      if (settings.isInstant) this.#end(execution, attempt.number % 2 === 1 ? "failed" : "ok");
    };
    const source = this.#source();
    this.#run = new PooledRun(
      source,
      {
        concurrency: settings.concurrency,
        keepOrder: settings.keepOrder,
        retry: settings.retry,
        halt: settings.halt,
        resources: settings.resources,
        maxWaiting: settings.maxWaiting,
        signal: this.#abort.signal,
        estimateMs: estimates && ((id) => estimates[id]),
        recorded: { outcomeOf: (id) => recorded.get(id) },
        onProgress: (progress) => {
          this.model.reports(progress);
          const reaction = this.#reactions.shift();
          if (reaction) this.#perform(reaction);
        },
      },
      this.#executor,
      settings.source === "array" && settings.failsAfter === Infinity ? undefined : {
        isWorkflow: settings.isReadFirst || settings.source === "array" ? tasks.some(isWorkflowTask) : undefined,
        isReadFirst: settings.isReadFirst,
        ...(settings.failsAfter !== Infinity && { held: this.#failingTasks(settings.failsAfter) }),
      },
    );
    const close = () => this.#isClosed = true;
    this.#run.closed.then(close, close);
    for (let count = 0; count < settings.asks; count++) this.#next();
  }

  /** Performs an action, and waits until it has settled, unless the model is not exact and another action follows. */
  async perform(action: WorkflowAction, isFollowed: boolean): Promise<void> {
    this.model.log(`- ${JSON.stringify(action)}`);
    this.#perform(action);
    if (action.kind === "wait") await this.clock.advance(action.count, () => {});
    if (!isFollowed) await this.settle();
  }

  /** Performs an action in the next call of `onProgress`. */
  performInCallback(action: WorkflowAction): void {
    this.#reactions.push(action);
  }

  async settle(): Promise<void> {
    await settle();
    this.model.settles({
      isReading: this.#read !== undefined,
      hasHalted: this.#run.haltedBy !== undefined,
      canStart: this.#hasBegun && !this.model.isDraining,
    });
    await this.check();
  }

  /** Lets the run end, which must succeed after any schedule. */
  async finish(ends: readonly (keyof typeof ENDS)[]): Promise<void> {
    this.model.log("- the run is allowed to end");
    this.#reactions = [];
    for (let step = 0; !this.#isClosed; step++) {
      if (step === MAX_STEPS) this.model.violation ??= "a run ends";
      this.#perform({ kind: "supply", count: 1 });
      await this.settle();
      const execution = this.#live.at(-1);
      if (execution) this.#end(execution, ends[step % ends.length]!);
      await this.settle();
      if (this.#pendingNext === 0) this.#next();
      await this.settle();
      await this.clock.advance(100_000);
      await this.settle();
    }
    for (; !this.#hasEnded; await settle()) this.#next();
    this.model.finishes(this.#errors);
    await this.check();
  }

  /** Rejects if a guarantee was violated. */
  check(): Promise<void> {
    const { violation, history } = this.model;
    if (violation === undefined) return Promise.resolve();
    return Promise.reject(new Error([`Violated: ${violation}`, "History:", ...history].join("\n")));
  }

  #hasBegun = false;
  #hasEnded = false;

  get #live(): FakeExecution[] {
    return this.#executor.executions.filter((one) => !this.#ended.has(one) && one.terminations.length === 0);
  }

  readonly #ended = new Set<FakeExecution>();

  #perform(action: WorkflowAction): void {
    switch (action.kind) {
      case "next":
        for (let count = 0; count < action.count; count++) this.#next();
        break;
      case "end": {
        const live = this.#live;
        if (live.length > 0) this.#end(live[action.index % live.length]!, action.how);
        break;
      }
      case "supply":
        this.#supplied += action.count;
        this.#deliver();
        break;
      case "fail source":
        this.#sourceFails = true;
        this.#deliver();
        break;
      case "concurrency": {
        // The model of a run that is not exact does not know whether a task was read before.
        const { concurrency, isExact } = this.#settings;
        this.model.concurrency = isExact ? action.count : Math.min(action.count, concurrency);
        this.#run.concurrency = this.model.concurrency;
        break;
      }
      case "drain":
        this.model.drains();
        this.#run.drain();
        break;
      case "abort": {
        if (this.#abort.signal.aborted || this.#isClosed) break;
        const error = new Error("aborted");
        if (!this.#hasBegun) break;
        this.model.fails(error);
        this.model.drains();
        this.#abort.abort(error);
        break;
      }
      case "kill":
        this.model.drains();
        this.#run.kill();
        break;
      case "return":
        this.model.drains();
        this.model.hasReturned = true;
        this.#run.return().catch((error) => this.model.violation ??= `return() does not reject: ${error}`);
        break;
    }
  }

  #end(execution: FakeExecution, how: keyof typeof ENDS): void {
    this.#ended.add(execution);
    this.model.ends(execution.attempt.sequence - 1, ENDS[how].outcome);
    execution.end(ENDS[how].result);
  }

  #next(): void {
    this.#hasBegun = true;
    this.#pendingNext++;
    this.model.asked++;
    // Results are taken in the order of the calls, as one call may happen within another.
    const before = this.#previous;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#previous = promise;
    // oxlint-disable-next-line typescript/no-misused-promises -- `finally` waits for it
    this.#run.next().finally(() => before).then(({ done, value }) => {
      this.#pendingNext--;
      if (done) {
        this.#hasEnded = true;
        return;
      }
      this.model.yields(value);
      this.results.push(value);
    }, (error) => {
      this.#pendingNext--;
      this.#hasEnded = true;
      this.#errors.push(error);
    }).then(resolve).catch((error) => this.model.violation ??= `a result is valid: ${error}`);
  }

  #source(): Iterable<Task> | AsyncIterable<Task> {
    const { tasks, source } = this.#settings;
    if (source === "stream" || source === "buffered") {
      return {
        ...(source === "buffered" && { [takeBuffered]: () => this.#takeSupplied() }),
        [Symbol.asyncIterator]: () => ({
          next: () => {
            this.model.asksForTask();
            this.#read = Promise.withResolvers();
            const { promise } = this.#read;
            this.#deliver();
            return promise;
          },
          return: () => {
            this.#read = undefined;
            return Promise.resolve({ done: true as const, value: undefined });
          },
        }),
      };
    }
    const read = () => this.#readAt(this.#given++);
    const iterator = () => ({
      next: () => {
        this.model.asksForTask();
        return read();
      },
    });
    return Object.assign(source === "array" ? [...tasks] : {}, { [Symbol.iterator]: iterator }) as Iterable<Task>;
  }

  #takeSupplied(): Task | undefined {
    const task = this.#given < this.#supplied && !this.#sourceFails ? this.#settings.tasks[this.#given] : undefined;
    if (!task) return undefined;
    this.model.asksForTask();
    this.model.reads(task);
    this.#given++;
    return task;
  }

  #readAt(index: number): IteratorResult<Task> {
    const value = this.#settings.tasks[index];
    if (value) this.model.reads(value);
    else this.model.completes();
    return value ? { done: false, value } : { done: true, value: undefined };
  }

  #deliver(): void {
    if (!this.#read || this.#given >= this.#supplied && !this.#sourceFails) return;
    const read = this.#read;
    this.#read = undefined;
    if (this.#sourceFails) {
      const error = new Error("source failed");
      this.model.inputFails((thrown) => thrown === error);
      read.reject(error);
    } else read.resolve(this.#readAt(this.#given++));
  }

  /** Returns memory that fails. */
  #failingTasks(failsAfter: number): MemoryTasks {
    const { model } = this;
    let taken = 0;
    return new class extends MemoryTasks {
      override take(node: number): CheckedTask {
        if (taken++ < failsAfter) return super.take(node);
        const error = new Error("cannot read a held task");
        model.inputFails((thrown) => thrown === error);
        throw error;
      }
    }();
  }
}
