/**
 * Model of the pool's documented guarantees. Checks each action of the pool when it happens, and, when the pool is idle,
 * that no required action is missing.
 *
 * @module
 */

import type { Attempt, AttemptResult, AttemptStop } from "../../pool/executor.ts";
import type { AttemptStart, Progress, TaskResult } from "../../mod.ts";
import { LATE_TURNS } from "../../pool/running_attempt.ts";
import { type AttemptState, PoolState, type TaskState } from "./pool_state.ts";

/** The `killAfterMs` of the run. */
export const KILL_AFTER_MS = 7;

/** The state of the run and its environment when everything has settled. */
export interface Observed {
  haltedBy: TaskResult | undefined;
  isClosed: boolean;
  /** True when the pool has called `return()` of the source. */
  sourceIsClosed: boolean;
  /** The number of pending calls of `next()`. */
  pendingNext: number;
  timers: number;
  listensToSignal: boolean;
}

/** A call of `onAttemptStart`. */
interface HookCall {
  sequence: number;
  number: number;
  hasEnded: boolean;
}

export class PoolModel extends PoolState {
  /** The first violated guarantee. */
  violation: string | undefined;
  #yielded = 0;
  #startedMs = -Infinity;
  #gateWasOpen = true;
  #settledMs = 0;
  #hasThrown = false;
  #closes = 0;
  #reports = 0;
  #reportedStarts = 0;
  #throttleReports = 0;
  #progress: Progress | undefined;
  readonly #hooks: HookCall[] = [];

  // ---- Actions of the pool, and when they are allowed ----

  reads(): void {
    this.#expect("no task is read before the first call of next()", this.hasBegun && this.isOpen);
    this.#expect("no task is read once no more tasks may start", !this.inputEnded);
    this.#expect("at most one task is read ahead", !this.isReading && !this.readAhead);
    this.#expect("a task is read only when a slot is free", this.live.length < this.concurrency);
    this.#expect("no task is read while `concurrency` results wait for the consumer", this.#hasCapacity(this.moment));
    this.isReading = true;
  }

  callsHook({ sequence, number }: AttemptStart): HookCall {
    const hook = { sequence, number, hasEnded: false };
    this.#hooks.push(hook);
    return hook;
  }

  callsOnEnd(hook: HookCall, result: AttemptResult | undefined): void {
    const attempt = this.tasks[hook.sequence - 1]!.attempts[hook.number - 1];
    this.#expect("onEnd is called once", !hook.hasEnded);
    this.#expect("onEnd is called when the attempt has ended", attempt?.endedIn !== undefined);
    const isResult = result?.stdout.text === attempt?.end?.stdout.text; // which is unique
    this.#expect("onEnd gets the result, and nothing of a failed executor", isResult);
    hook.hasEnded = true;
  }

  starts({ sequence, number, slot, timeoutMs }: Attempt): AttemptState {
    const hook = this.#hooks.at(-1);
    const isAnnounced = hook?.sequence === sequence && hook.number === number;
    this.#expect("onAttemptStart is called before each start", isAnnounced);
    this.#expect("onAttemptStart is called once", this.#hooks.length === this.attempts.length + 1);
    const task = this.tasks[sequence - 1]!;
    const { nowMs, moment } = this;
    this.log(`${sequence}.${number} starts in slot ${slot}`);
    this.#expect("no attempt starts after the run was halted, drained or stopped", !this.isDraining);
    this.#expect("at most `concurrency` attempts run concurrently", this.live.length < this.concurrency);
    this.#expect("no two attempts share a slot", this.live.every((other) => other.slot !== slot));
    const taken = new Set(this.maybeLive.map(({ slot }) => slot));
    const lower = Array.from({ length: slot - 1 }, (_, index) => index + 1);
    this.#expect("an attempt gets the lowest free slot", lower.every((slot) => taken.has(slot)));
    this.#expect("starts are at least startDelayMs apart", nowMs - this.#startedMs >= this.settings.startDelayMs);
    this.#expect("the attempts of a task are numbered consecutively", number === task.attempts.length + 1);
    this.#expect("a task is retried at most `retries` times", number <= task.retries + 1);
    this.#expect("the timeout is that of the task or, by default, of the run", timeoutMs === task.timeoutMs);
    if (number === 1) {
      this.#expect("a task has one first attempt", task.state === "read");
      this.#expect("no task starts while `concurrency` results wait for the consumer", this.#hasCapacity(moment));
      const isOverdue = ({ state, retryMs }: TaskState) => state === "waiting" && retryMs.by <= this.#settledMs;
      this.#expect("due retries come before new tasks", !this.tasks.some(isOverdue));
    } else {
      this.#expect("only a failed, killed or timed-out attempt is retried", task.state === "waiting");
      this.#expect("a retry waits for its delay", nowMs >= task.retryMs.from);
    }
    this.#startedMs = nowMs;
    this.#gateWasOpen &&= this.#gateIsOpen;
    this.changes(task, "running");
    const nothing = { stoppedBy: undefined, endedIn: undefined, end: undefined };
    const attempt: AttemptState = {
      ...{ task, number, slot, startedMs: nowMs, lateTurnsMs: [], terminations: [] },
      ...{ ...nothing, hasExceeded: false, isDiscarded: false },
    };
    task.attempts.push(attempt);
    return attempt;
  }

  /** The pool terminates an attempt; `isStopped` tells whether it was still running. */
  terminates(attempt: AttemptState, reason: AttemptStop, killAfterMs: number, isStopped: boolean): void {
    this.log(`${attempt.task.sequence}.${attempt.number} is terminated: ${reason}`);
    this.#expect("only a running attempt is terminated", this.maybeLive.includes(attempt));
    const isRight = {
      "canceled": this.isStopping || this.#isHalted && this.settings.halt!.when === "now",
      "timeout": this.#isLate(attempt),
      "output-limit": attempt.hasExceeded,
    };
    this.#expect(
      "an attempt is terminated only by its timeout, its output limit, or the end of the run",
      isRight[reason],
    );
    const isKill = killAfterMs === 0 && this.isKilling;
    this.#expect(
      "an attempt gets killAfterMs to end, unless the run is killed",
      killAfterMs === KILL_AFTER_MS || isKill,
    );
    attempt.terminations.push({ reason, killAfterMs });
    if (isStopped || reason === "output-limit") attempt.stoppedBy ??= reason;
  }

  /** The pool notifies the executor that it will start no more attempts. */
  drainsExecutor(): void {
    const hasReason = this.isDraining || this.#isHalted || this.executorHasFailed;
    this.#expect("the executor is drained only when the run ends early", hasReason);
    this.drains();
  }

  discards({ stdout }: AttemptResult): void {
    const attempt = this.attempts.find(({ end }) => end?.stdout.text === stdout.text);
    if (!attempt) return; // the end of a failed attempt is unknown
    const { task, isDiscarded } = attempt;
    this.#expect("the output of an attempt is discarded once", !isDiscarded);
    const isUnseen = task.shown !== attempt || this.hasReturned && !task.isYielded;
    this.#expect("only output that no result contains is discarded", isUnseen);
    attempt.isDiscarded = true;
  }

  closesExecutor(): void {
    this.#expect("the executor is closed once", ++this.#closes === 1);
    this.#expect("the executor is closed after the last attempt", this.isOver && (this.isOpen || !this.hasBegun));
  }

  gives({ id, outcome, attempts, slot, stdout }: TaskResult): void {
    const task = this.tasks[Number(id) - 1]!;
    this.log(`the result of ${id} is yielded: ${outcome}`);
    this.#expect("a task has one result", task.state === "finished" && !task.isYielded);
    this.#expect("no result is yielded after return()", (this.returnedIn ?? this.moment) === this.moment);
    this.#expect(`the outcome of ${id} is ${task.outcome}`, outcome === task.outcome);
    const shown = task.shown!;
    this.#expect("a result describes the last attempt", attempts === shown.number && slot === shown.slot);
    this.#expect("a result has the output of the last attempt", (shown.end?.stdout.text ?? "") === stdout);
    const comesBefore = this.settings.keepOrder
      ? ({ sequence, state }: TaskState) => sequence < task.sequence && state !== "gone"
      : ({ since, state }: TaskState) => since < task.since && state === "finished";
    const isRightTurn = !this.tasks.some((other) => comesBefore(other) && !other.isYielded);
    this.#expect("results are in the order of the tasks or, by default, of their ends", isRightTurn);
    this.#yielded++;
    task.isYielded = true;
  }

  /** The iterator ends or throws. */
  finishes(error?: Error): void {
    this.#expect("the iterator ends after the executor is closed", this.executorHasClosed);
    this.#expect(
      "the iterator ends after the last result",
      this.hasReturned || this.results.every((one) => one.isYielded),
    );
    this.#expect("only one error is thrown", !error || !this.#hasThrown);
    this.#expect("no error is thrown after return()", !error || (this.returnedIn ?? this.moment) === this.moment);
    // The pool may ignore the error of a source that fails in the moment when the pool stops reading it.
    const sure = this.failures.filter(({ since, isOfSource }) => !isOfSource || since !== this.drainedIn);
    const first = this.failures.filter(({ since }) => since <= (sure[0]?.since ?? Infinity));
    const isFirst = error ? first.some((failure) => failure.error === error) : sure.length === 0;
    this.#expect("the first error is thrown", isFirst || this.#hasThrown || this.hasReturned && !error);
    this.#hasThrown = true;
  }

  reports(progress: Progress): void {
    const { finished, failed, running, retrying, throttledBy } = progress;
    const wasNoticed = ({ since }: TaskState) => since < this.moment;
    const between = (what: string, least: number, value: number, most: number) =>
      this.#expect(`${what}: ${value} is not between ${least} and ${most}`, least <= value && value <= most);
    const bad = this.results.filter(({ outcome }) => outcome !== "ok" && outcome !== "canceled");
    const started = this.tasks.filter(({ attempts }) => attempts.length > 0);
    const isIn = ({ state }: TaskState) => state !== "gone";
    const mayBeIn = (task: TaskState) => isIn(task) || !wasNoticed(task);
    between("finished", this.results.filter(wasNoticed).length, finished, this.results.length);
    between("failed", bad.filter(wasNoticed).length, failed, bad.length);
    between("running", this.live.length, running, this.maybeLive.length);
    const sum = finished + running + retrying;
    between("finished, running or retrying", started.filter(isIn).length, sum, started.filter(mayBeIn).length);
    this.#expect("a run is held back only by startDelayMs", !throttledBy || !this.#gateWasOpen);
    this.#expect("only with a free slot it is held back", !throttledBy || this.live.length < this.concurrency);
    this.#reports++;
    const { length } = this.attempts;
    if (throttledBy && length === this.#reportedStarts && finished === this.#progress?.finished) {
      this.#throttleReports++;
    }
    this.#reportedStarts = length;
    this.#progress = progress;
  }

  // ---- What the pool must have done when everything has settled ----

  settles(seen: Observed): void {
    const { halt } = this.settings;
    const counts = (sequence: string) => this.#counted.some((task) => `${task.sequence}` === sequence);
    this.#expect(
      "haltedBy is set exactly when the limit is reached",
      this.#isHalted === (seen.haltedBy !== undefined),
    );
    this.#expect("haltedBy is a result that counts toward the limit", !seen.haltedBy || counts(seen.haltedBy.id));
    this.#expect("a halted run starts no more tasks", !this.#isHalted || this.isDraining);
    this.#expect("a run whose executor has failed starts no more tasks", !this.executorHasFailed || this.isDraining);
    this.isStopping ||= this.#isHalted && halt!.when === "now";
    for (const attempt of this.live) {
      const wasTerminated = (reason: AttemptStop) =>
        attempt.terminations.some((terminations) => terminations.reason === reason);
      this.#expect("a stopped run terminates running attempts", !this.isStopping || wasTerminated("canceled"));
      const isKilled = attempt.terminations.some(({ killAfterMs }) => killAfterMs === 0);
      this.#expect("kill() does not wait", !this.isKilling || isKilled);
      this.#expect("an attempt is terminated after its timeout", !this.#isOverdue(attempt) || wasTerminated("timeout"));
      this.#expect(
        "an attempt that exceeds its output limit is terminated",
        !attempt.hasExceeded || wasTerminated("output-limit"),
      );
    }

    const hasSlot = this.hasBegun && this.isOpen && !this.isDraining && this.live.length < this.concurrency;
    const mayStart = hasSlot && this.#gateIsOpen;
    const isDue = ({ state, retryMs }: TaskState) => state === "waiting" && retryMs.by <= this.nowMs;
    this.#expect("a retry starts as soon as possible", !mayStart || !this.tasks.some(isDue));
    this.#expect("a task starts as soon as possible", !mayStart || !this.#hasCapacity() || !this.readAhead);
    const mayRead = hasSlot && this.#hasCapacity() && !this.inputEnded && !this.readAhead;
    this.#expect("a task is read as soon as possible", !mayRead || this.isReading);
    const isLeft = this.sourceHasEnded || seen.sourceIsClosed === this.inputEnded;
    this.#expect("the source is closed exactly when the pool stops reading", isLeft);

    const isSilent = ({ hasEnded, sequence, number }: HookCall) =>
      !hasEnded && this.tasks[sequence - 1]!.attempts[number - 1]!.endedIn !== undefined;
    this.#expect("onEnd is called for each attempt that has ended", !this.#hooks.some(isSilent));

    const given = Math.min(this.nextCalls, this.ready().length);
    this.#expect("next() resolves as soon as a result is available", this.hasReturned || this.#yielded === given);
    this.#expect("every result is reported", this.results.length === (this.#progress?.finished ?? 0));
    const expected = this.attempts.length + this.results.length + this.#throttleReports;
    this.#expect("exactly each start, each result and each throttling is reported", this.#reports === expected);
    this.#expect(
      "a run without a limit is not throttled",
      this.settings.startDelayMs > 0 || this.#throttleReports === 0,
    );
    const isUnseen = ({ number, task, end }: AttemptState) => number < (task.shown?.number ?? 0) && end;
    const isKept = (attempt: AttemptState) => isUnseen(attempt) && !attempt.isDiscarded;
    this.#expect("the output of a retried attempt is discarded", !this.attempts.some(isKept));

    const isOver = this.isOver && (this.hasBegun ? this.isOpen : this.hasReturned);
    this.#expect("the executor is closed when the run is over", !isOver || this.#closes === 1);
    this.#expect("`closed` settles exactly when the executor is closed", seen.isClosed === this.executorHasClosed);
    if (seen.isClosed) {
      this.#expect("a closed run has no pending next()", seen.pendingNext === 0);
      this.#expect("a closed run has no timers and listeners", seen.timers === 0 && !seen.listensToSignal);
      const isForgotten = ({ isYielded, shown }: TaskState) => !isYielded && shown?.end && !shown.isDiscarded;
      this.#expect(
        "the output of results that were not consumed is discarded",
        !this.hasReturned || !this.results.some(isForgotten),
      );
    }
    this.#settledMs = this.nowMs;
    this.#gateWasOpen = this.#gateIsOpen;
    this.nextMoment();
  }

  #expect(text: string, isKept: boolean): void {
    if (!isKept) this.violation ??= `${text} (at ${this.nowMs} ms)`;
  }

  /** The results that count toward the limit of the run. */
  get #counted(): TaskState[] {
    const on = this.settings.halt?.on;
    const ended = this.results.filter(({ outcome }) => outcome !== "canceled");
    return on === "done" ? ended : ended.filter(({ outcome }) => (outcome === "ok") === (on === "success"));
  }

  get #isHalted(): boolean {
    return this.#counted.length >= (this.settings.halt?.count ?? Infinity);
  }

  get #gateIsOpen(): boolean {
    return this.nowMs - this.#startedMs >= this.settings.startDelayMs;
  }

  #isLate({ startedMs, task }: AttemptState): boolean {
    return !this.settings.enforcesTimeout && this.nowMs >= startedMs + (task.timeoutMs ?? Infinity);
  }

  /** Returns whether the timeout passed more than {@linkcode LATE_TURNS} turns ago: the pool must have noticed an earlier exit. */
  #isOverdue(attempt: AttemptState): boolean {
    if (!this.#isLate(attempt)) return false;
    if (attempt.lateTurnsMs.at(-1) !== this.nowMs) attempt.lateTurnsMs.push(this.nowMs);
    return attempt.lateTurnsMs.length > LATE_TURNS;
  }

  /** Returns whether fewer than `concurrency` results from before a moment wait for the consumer. */
  #hasCapacity(moment?: number): boolean {
    return this.ready(moment).length - this.nextCalls < this.concurrency;
  }
}
