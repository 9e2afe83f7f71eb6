/**
 * The externally visible state of a pool: its settings, the actions on it, and its own actions.
 *
 * The pool may or may not have noticed an attempt that has just ended. Therefore time is divided into moments: a moment
 * lasts until everything has settled, and the pool has noticed everything from earlier moments.
 *
 * @module
 */

import type { AttemptResult, AttemptStop } from "../../pool/executor.ts";
import type { Outcome, RetryOutcome } from "../../mod.ts";

/** Settings of a pool. */
export interface PoolSettings {
  concurrency: number;
  keepOrder: boolean;
  retry: { limit: number; delayMs: number; maxDelayMs: number; on: readonly RetryOutcome[] };
  startDelayMs: number;
  timeoutMs: number | undefined;
  enforcesTimeout: boolean;
  halt: { when: "now" | "soon"; on: "fail" | "success" | "done"; count: number } | undefined;
}

/** A task that was read. */
export interface TaskState {
  readonly sequence: number;
  readonly retries: number;
  readonly timeoutMs: number | undefined;
  readonly attempts: AttemptState[];
  /** `waiting` for a retry; `gone` if the task will have no result. */
  state: "read" | "running" | "waiting" | "finished" | "gone";
  /** The moment in which the task entered its state. */
  since: number;
  /** The earliest and the latest time of the next attempt. */
  retryMs: { from: number; by: number };
  outcome: Outcome | undefined;
  /** The attempt that the result describes. */
  shown: AttemptState | undefined;
  isYielded: boolean;
}

/** An attempt. */
export interface AttemptState {
  readonly task: TaskState;
  readonly number: number;
  readonly slot: number;
  readonly startedMs: number;
  /** The times at which the model was idle and the timeout was over. */
  readonly lateTurnsMs: number[];
  /** The calls of `terminate`. */
  readonly terminations: { reason: AttemptStop; killAfterMs: number }[];
  /** The reason of the first termination while the attempt was running. */
  stoppedBy: AttemptStop | undefined;
  /** True when the attempt has exceeded its output limit. */
  hasExceeded: boolean;
  /** The moment in which the attempt ended. */
  endedIn: number | undefined;
  /** The result of the attempt; `undefined` when the executor failed. */
  end: AttemptResult | undefined;
  isDiscarded: boolean;
}

export class PoolState {
  readonly tasks: TaskState[] = [];
  readonly history: string[] = [];
  concurrency: number;
  isReading = false;
  isOpen = true;
  protected readonly settings: PoolSettings;
  readonly #clock: { readonly nowMs: number };
  protected moment = 0;
  protected nextCalls = 0;
  protected hasBegun = false;
  protected sourceHasEnded = false;
  /** Set when no more tasks may be read. */
  protected inputEnded = false;
  /** The moment since which no more attempts may start. */
  protected drainedIn: number | undefined;
  /** Set when running attempts must be terminated. */
  protected isStopping = false;
  protected isKilling = false;
  protected returnedIn: number | undefined;
  protected executorHasFailed = false;
  protected executorHasClosed = false;
  /** The failures of the run, in order. */
  protected readonly failures: { error: Error; since: number; isOfSource: boolean }[] = [];

  constructor(settings: PoolSettings, clock: { readonly nowMs: number }) {
    this.settings = settings;
    this.#clock = clock;
    this.concurrency = settings.concurrency;
  }

  asks(): void {
    this.nextCalls++;
    this.hasBegun ||= this.returnedIn === undefined;
  }

  /** The source yields a task. */
  supplies(task: { retries?: number; timeoutMs?: number }): void {
    this.isReading = false;
    const { retries, timeoutMs } = { ...this.settings, retries: this.settings.retry.limit, ...task };
    this.tasks.push({
      sequence: this.tasks.length + 1,
      retries,
      timeoutMs,
      attempts: [],
      state: this.inputEnded ? "gone" : "read",
      since: this.moment,
      retryMs: { from: Infinity, by: Infinity },
      outcome: undefined,
      shown: undefined,
      isYielded: false,
    });
  }

  /** The source ends or fails, or, if `hasEnded` is false, yields an invalid task. */
  sourceEnds(error?: Error, hasEnded = true): void {
    this.isReading = false;
    this.sourceHasEnded ||= hasEnded;
    if (error && !this.inputEnded) this.fails(error, true);
    this.inputEnded = true;
  }

  opens(error?: Error): void {
    this.isOpen = true;
    if (!error) return;
    this.fails(error);
    this.inputEnded = true;
  }

  exceeds(attempt: AttemptState): void {
    attempt.hasExceeded = true;
  }

  /** An attempt ends, or the executor fails to carry it out. */
  ends(attempt: AttemptState, end: AttemptResult | Error): void {
    const { task, number } = attempt;
    // An executor that fails cannot report why the attempt was stopped.
    const stoppedBy = end instanceof Error ? undefined : attempt.stoppedBy;
    attempt.endedIn = this.moment;
    if (end instanceof Error) {
      this.executorHasFailed = true;
      this.fails(end);
    } else attempt.end = end;
    const hasBegun = attempt.end?.ending.kind !== "withdrawn";
    if (!hasBegun && !stoppedBy) return number === 1 ? this.changes(task, "gone") : this.#finishes(task, "canceled");
    task.shown = attempt;
    const outcome = outcomeOf(end, stoppedBy);
    const on: readonly Outcome[] = this.settings.retry.on;
    if (!on.includes(outcome) || number > task.retries) return this.#finishes(task, outcome);
    if (this.isDraining || end instanceof Error) return this.#finishes(task, "canceled");
    this.changes(task, "waiting");
    task.retryMs = { from: this.nowMs + Math.trunc(this.#backoffMs(number) / 2), by: Infinity };
  }

  drains(): void {
    this.drainedIn ??= this.moment;
    this.inputEnded = true;
    for (const task of this.tasks) {
      if (task.state === "waiting") this.#finishes(task, "canceled");
      if (task.state === "read") this.changes(task, "gone"); // never started
    }
  }

  stops(error?: Error): void {
    if (error) this.fails(error);
    this.isStopping = true;
    this.drains();
  }

  kills(): void {
    this.isKilling = true;
    this.stops();
  }

  returns(): void {
    this.returnedIn ??= this.moment;
    this.stops();
  }

  /** The executor fails as a whole. */
  executorFails(error: Error): void {
    this.fails(error);
    this.drains();
  }

  executorCloses(error?: Error): void {
    this.executorHasClosed = true;
    if (error) this.fails(error);
  }

  /** Starts the next moment. */
  protected nextMoment(): void {
    for (const { state, since, retryMs, attempts } of this.tasks) {
      // The wait begins when the pool has seen the end, which is now at the latest.
      if (state === "waiting" && since === this.moment) retryMs.by = this.nowMs + this.#backoffMs(attempts.length);
    }
    this.moment++;
  }

  get hasReturned(): boolean {
    return this.returnedIn !== undefined;
  }

  get isDraining(): boolean {
    return this.drainedIn !== undefined;
  }

  get attempts(): AttemptState[] {
    return this.tasks.flatMap(({ attempts }) => attempts);
  }

  /** The running attempts. */
  get live(): AttemptState[] {
    return this.attempts.filter(({ endedIn }) => endedIn === undefined);
  }

  protected get nowMs(): number {
    return this.#clock.nowMs;
  }

  /** The attempts that are running, or that the pool may consider running. */
  protected get maybeLive(): AttemptState[] {
    return this.attempts.filter(({ endedIn = this.moment }) => endedIn === this.moment);
  }

  /** The task that was read but not started. */
  protected get readAhead(): TaskState | undefined {
    return this.tasks.find(({ state }) => state === "read");
  }

  protected get results(): TaskState[] {
    return this.tasks.filter(({ state }) => state === "finished");
  }

  /** True when all tasks are finished. */
  protected get isOver(): boolean {
    return this.inputEnded && this.tasks.every(({ state }) => state === "finished" || state === "gone");
  }

  /** Returns the results from before a moment that can be yielded or were. */
  protected ready(moment = Infinity): TaskState[] {
    const isReady = ({ state, since }: TaskState) => state === "finished" && since < moment;
    if (!this.settings.keepOrder) return this.tasks.filter(isReady);
    const first = this.tasks.findIndex((task) => task.state !== "gone" && !isReady(task));
    return this.tasks.slice(0, first === -1 ? undefined : first).filter(isReady);
  }

  /** Adds an entry to the history. */
  log(what: string): void {
    this.history.push(`${this.nowMs} ms: ${what}`);
  }

  toString(): string {
    const tasks = this.tasks.map(({ sequence, state, attempts, outcome, isYielded }) => {
      const slot = state === "running" && `slot ${attempts.at(-1)!.slot}`;
      const parts = [state, attempts.length > 0 && `attempts: ${attempts.length}`, slot, outcome, isYielded && "given"];
      return `  task ${sequence}: ${parts.filter(Boolean).join(", ")}`;
    });
    const flags = {
      "not open": !this.isOpen,
      reading: this.isReading,
      draining: this.isDraining,
      stopping: this.isStopping,
      returned: this.hasReturned,
      closed: this.executorHasClosed,
    };
    const set = Object.entries(flags).filter(([, is]) => is).map(([name]) => name);
    return [`concurrency ${this.concurrency}, calls of next(): ${this.nextCalls}`, ...set].join(", ") +
      tasks.map((line) => `\n${line}`).join("");
  }

  protected fails(error: Error, isOfSource = false): void {
    this.failures.push({ error, since: this.moment, isOfSource });
  }

  protected changes(task: TaskState, state: TaskState["state"]): void {
    task.state = state;
    task.since = this.moment;
  }

  #finishes(task: TaskState, outcome: Outcome): void {
    this.changes(task, "finished");
    task.outcome = outcome;
  }

  /** Doubles the delay with each attempt, up to a limit. */
  #backoffMs(attempts: number): number {
    const { delayMs, maxDelayMs } = this.settings.retry;
    return Math.min(delayMs * 2 ** (attempts - 1), Math.max(delayMs, maxDelayMs));
  }
}

/** Returns the first outcome that applies, in the order of {@linkcode Outcome}. */
function outcomeOf(end: AttemptResult | Error, stoppedBy: AttemptStop | undefined): Outcome {
  if (stoppedBy) return stoppedBy;
  if (end instanceof Error) return "killed";
  const { ending, outputError } = end;
  if (ending.kind === "spawn-failed") return "not-started";
  if (ending.kind !== "exited") return "killed";
  return ending.status === 0 && !outputError ? "ok" : "failed";
}
