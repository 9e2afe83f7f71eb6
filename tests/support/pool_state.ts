/**
 * What can be known of a pool from outside: how it was set up, what was done to it, and what it has done.
 *
 * An end that has just come may have been noticed by the pool or not. So time goes on in moments, from one time that
 * everything has settled to the next: what happened in a moment before was noticed.
 *
 * @module
 */

import type { AttemptResult, AttemptStop } from "../../pool/executor.ts";
import type { Outcome, RetryOutcome } from "../../mod.ts";

/** How a pool is set up. */
export interface PoolSettings {
  concurrency: number;
  keepOrder: boolean;
  retry: { limit: number; delayMs: number; maxDelayMs: number; on: readonly RetryOutcome[] };
  startDelayMs: number;
  timeoutMs: number | undefined;
  keepsTime: boolean;
  halt: { when: "now" | "soon"; on: "fail" | "success" | "done"; count: number } | undefined;
}

/** A task that was read. */
export interface TaskState {
  readonly sequence: number;
  readonly retries: number;
  readonly timeoutMs: number | undefined;
  readonly attempts: AttemptState[];
  /** `gone`: it will have no result. */
  state: "read" | "running" | "waiting" | "finished" | "gone";
  /** The moment in which it got into this state. */
  since: number;
  /** The time before which it is not to be tried again, and that from which it has to be. */
  retryMs: { from: number; by: number };
  outcome: Outcome | undefined;
  /** The attempt that the result is about. */
  shown: AttemptState | undefined;
  isGiven: boolean;
}

/** An attempt at a task. */
export interface AttemptState {
  readonly task: TaskState;
  readonly number: number;
  readonly slot: number;
  readonly startedMs: number;
  /** The moments in which its timeout was seen to be over. */
  readonly lateTurnsMs: number[];
  /** For what it was told to end, and how long that might take. */
  readonly told: { reason: AttemptStop; killAfterMs: number }[];
  /** The first reason for which it was told to end, if that came in time. */
  stoppedBy: AttemptStop | undefined;
  hasExceeded: boolean;
  /** The moment in which it ended. */
  endedIn: number | undefined;
  /** What it has left; nothing is known of it when the executor failed. */
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
  protected asked = 0;
  protected hasBegun = false;
  protected sourceHasEnded = false;
  /** Nothing more is to be read. */
  protected inputEnded = false;
  /** Nothing more is to be started. */
  protected drainedIn: number | undefined;
  /** What runs is to be ended. */
  protected isStopping = false;
  protected isKilling = false;
  protected returnedIn: number | undefined;
  protected executorHasFailed = false;
  protected executorHasClosed = false;
  /** The failures of the run, as they came. */
  protected readonly failures: { error: Error; since: number; isOfSource: boolean }[] = [];

  constructor(settings: PoolSettings, clock: { readonly nowMs: number }) {
    this.settings = settings;
    this.#clock = clock;
    this.concurrency = settings.concurrency;
  }

  asks(): void {
    this.asked++;
    this.hasBegun ||= this.returnedIn === undefined;
  }

  /** The source gives a task to the pool, which has asked for it. */
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
      isGiven: false,
    });
  }

  /** The source ends, or fails; or it has given something that is no task, and has not ended. */
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
      if (task.state === "read") this.changes(task, "gone"); // it was never started
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

  /** The executor can do nothing more. */
  executorFails(error: Error): void {
    this.fails(error);
    this.drains();
  }

  executorCloses(error?: Error): void {
    this.executorHasClosed = true;
    if (error) this.fails(error);
  }

  /** Everything has settled: what was to be noticed was noticed. */
  protected goesOn(): void {
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

  /** The attempts that run. */
  get live(): AttemptState[] {
    return this.attempts.filter(({ endedIn }) => endedIn === undefined);
  }

  protected get nowMs(): number {
    return this.#clock.nowMs;
  }

  /** The attempts that run, or that the pool may think to run. */
  protected get perhapsLive(): AttemptState[] {
    return this.attempts.filter(({ endedIn = this.moment }) => endedIn === this.moment);
  }

  /** The task that was read and not started. */
  protected get ahead(): TaskState | undefined {
    return this.tasks.find(({ state }) => state === "read");
  }

  protected get results(): TaskState[] {
    return this.tasks.filter(({ state }) => state === "finished");
  }

  /** Nothing is to be done any more. */
  protected get isOver(): boolean {
    return this.inputEnded && this.tasks.every(({ state }) => state === "finished" || state === "gone");
  }

  /** The results that can be taken, of those that are older than a moment. */
  protected ready(moment = Infinity): TaskState[] {
    const isReady = ({ state, since }: TaskState) => state === "finished" && since < moment;
    if (!this.settings.keepOrder) return this.tasks.filter(isReady);
    const first = this.tasks.findIndex((task) => task.state !== "gone" && !isReady(task));
    return this.tasks.slice(0, first === -1 ? undefined : first).filter(isReady);
  }

  /** Adds to what has happened. */
  tells(what: string): void {
    this.history.push(`${this.nowMs} ms: ${what}`);
  }

  toString(): string {
    const tasks = this.tasks.map(({ sequence, state, attempts, outcome, isGiven }) => {
      const slot = state === "running" && `slot ${attempts.at(-1)!.slot}`;
      const parts = [state, attempts.length > 0 && `attempts: ${attempts.length}`, slot, outcome, isGiven && "given"];
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
    return [`concurrency ${this.concurrency}, results asked for: ${this.asked}`, ...set].join(", ") +
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

  /** Twice as long before each attempt, up to a limit. */
  #backoffMs(attempts: number): number {
    const { delayMs, maxDelayMs } = this.settings.retry;
    return Math.min(delayMs * 2 ** (attempts - 1), Math.max(delayMs, maxDelayMs));
  }
}

/** As {@linkcode Outcome} says: the first that applies. */
function outcomeOf(end: AttemptResult | Error, stoppedBy: AttemptStop | undefined): Outcome {
  if (stoppedBy) return stoppedBy;
  if (end instanceof Error) return "killed";
  const { ending, outputError } = end;
  if (ending.kind === "spawn-failed") return "not-started";
  if (ending.kind !== "exited") return "killed";
  return ending.status === 0 && !outputError ? "ok" : "failed";
}
