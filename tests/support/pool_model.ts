/**
 * What the pool promises, in the words of its documentation, checked against what can be seen of it from outside: what
 * it does, as it does it, and what it must have done, when nothing more happens by itself.
 *
 * @module
 */

import type { Attempt, AttemptResult, AttemptStop } from "../../pool/executor.ts";
import type { AttemptStart, Progress, TaskResult } from "../../mod.ts";
import { LATE_TURNS } from "../../pool/running_attempt.ts";
import { type AttemptState, PoolState, type TaskState } from "./pool_state.ts";

/** As `killAfterMs` of the run. */
export const KILL_AFTER_MS = 7;

/** What else can be seen when everything has settled. */
export interface Seen {
  haltedBy: TaskResult | undefined;
  isClosed: boolean;
  /** The source was told that no more is wanted. */
  sourceIsLeft: boolean;
  /** How many have asked for a result and have no answer. */
  takers: number;
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
  /** The first promise that was not kept. */
  violation: string | undefined;
  #given = 0;
  #startedMs = -Infinity;
  #gateWasOpen = true;
  #settledMs = 0;
  #hasThrown = false;
  #closes = 0;
  #reports = 0;
  #reportedStarts = 0;
  #holds = 0;
  #progress: Progress | undefined;
  readonly #hooks: HookCall[] = [];

  // ---- What it does, and when it may ----

  reads(): void {
    this.#promise("nothing is read before the first result is asked for", this.hasBegun && this.isOpen);
    this.#promise("nothing is read of which nothing may be started", !this.inputEnded);
    this.#promise("at most one task is read ahead", !this.isReading && !this.ahead);
    this.#promise("a task is read only when a slot is free", this.live.length < this.concurrency);
    this.#promise("none is read while `concurrency` results wait to be taken", this.#hasRoom(this.moment));
    this.isReading = true;
  }

  callsHook({ sequence, number }: AttemptStart): HookCall {
    const hook = { sequence, number, hasEnded: false };
    this.#hooks.push(hook);
    return hook;
  }

  callsOnEnd(hook: HookCall, result: AttemptResult | undefined): void {
    const attempt = this.tasks[hook.sequence - 1]!.attempts[hook.number - 1];
    this.#promise("onEnd is called once", !hook.hasEnded);
    this.#promise("onEnd is called when the attempt has ended", attempt?.endedIn !== undefined);
    this.#promise("onEnd gets the result, and nothing of a failed executor", result?.ending === attempt?.end?.ending);
    hook.hasEnded = true;
  }

  starts({ sequence, number, slot, timeoutMs }: Attempt): AttemptState {
    const hook = this.#hooks.at(-1);
    const isAnnounced = hook?.sequence === sequence && hook.number === number;
    this.#promise("onAttemptStart is called before each start", isAnnounced);
    this.#promise("onAttemptStart is called once", this.#hooks.length === this.attempts.length + 1);
    const task = this.tasks[sequence - 1]!;
    const { nowMs, moment } = this;
    this.tells(`${sequence}.${number} starts in slot ${slot}`);
    this.#promise("nothing is started after the run was halted, drained or stopped", !this.isDraining);
    this.#promise("at most `concurrency` attempts run at once", this.live.length < this.concurrency);
    this.#promise("no two attempts run in one slot", this.live.every((other) => other.slot !== slot));
    const taken = new Set(this.perhapsLive.map(({ slot }) => slot));
    const lower = Array.from({ length: slot - 1 }, (_, index) => index + 1);
    this.#promise("an attempt gets the lowest free slot", lower.every((slot) => taken.has(slot)));
    this.#promise("two starts are startDelayMs apart", nowMs - this.#startedMs >= this.settings.startDelayMs);
    this.#promise("the attempts of a task are counted", number === task.attempts.length + 1);
    this.#promise("a task has its retries and no more", number <= task.retries + 1);
    this.#promise("an attempt has the timeout of its task, or else of the run", timeoutMs === task.timeoutMs);
    if (number === 1) {
      this.#promise("a task is started once", task.state === "read");
      this.#promise("none is started while `concurrency` results wait to be taken", this.#hasRoom(moment));
      const isOverdue = ({ state, retryMs }: TaskState) => state === "waiting" && retryMs.by <= this.#settledMs;
      this.#promise("tasks that are to be tried again come first", !this.tasks.some(isOverdue));
    } else {
      this.#promise("only what failed, was killed or timed out is tried again", task.state === "waiting");
      this.#promise("a task is not tried again before its delay is over", nowMs >= task.retryMs.from);
    }
    this.#startedMs = nowMs;
    this.#gateWasOpen &&= this.#gateIsOpen;
    this.changes(task, "running");
    const nothing = { stoppedBy: undefined, endedIn: undefined, end: undefined };
    const attempt: AttemptState = {
      ...{ task, number, slot, startedMs: nowMs, lateTurnsMs: [], told: [] },
      ...{ ...nothing, hasExceeded: false, isDiscarded: false },
    };
    task.attempts.push(attempt);
    return attempt;
  }

  /** An attempt is told to end; `isStopped`: and has not yet ended by itself. */
  terminates(attempt: AttemptState, reason: AttemptStop, killAfterMs: number, isStopped: boolean): void {
    this.tells(`${attempt.task.sequence}.${attempt.number} is told to end: ${reason}`);
    this.#promise("what has ended is left alone", this.perhapsLive.includes(attempt));
    const isRight = {
      "canceled": this.isStopping || this.#isHalted && this.settings.halt!.when === "now",
      "timeout": this.#isLate(attempt),
      "output-limit": attempt.hasExceeded,
    };
    this.#promise("an attempt is ended only by its timeout, its output, or the end of the run", isRight[reason]);
    const isKill = killAfterMs === 0 && this.isKilling;
    this.#promise("it has killAfterMs to end, unless it is killed", killAfterMs === KILL_AFTER_MS || isKill);
    attempt.told.push({ reason, killAfterMs });
    if (isStopped || reason === "output-limit") attempt.stoppedBy ??= reason;
  }

  /** The executor is told that nothing more will be started. */
  drainsExecutor(): void {
    const hasReason = this.isDraining || this.#isHalted || this.executorHasFailed;
    this.#promise("a run is drained only when it is to end early", hasReason);
    this.drains();
  }

  discards({ stdout }: AttemptResult): void {
    const attempt = this.attempts.find(({ end }) => end?.stdout.text === stdout.text);
    if (!attempt) return; // of an executor that failed
    const { task, isDiscarded } = attempt;
    this.#promise("what an attempt has left is discarded once", !isDiscarded);
    const isUnseen = task.shown !== attempt || this.hasReturned && !task.isGiven;
    this.#promise("only what nobody will see is discarded", isUnseen);
    attempt.isDiscarded = true;
  }

  closesExecutor(): void {
    this.#promise("the executor is closed once", ++this.#closes === 1);
    this.#promise("the executor is closed when all is over", this.isOver && (this.isOpen || !this.hasBegun));
  }

  gives({ id, outcome, attempts, slot, stdout }: TaskResult): void {
    const task = this.tasks[Number(id) - 1]!;
    this.tells(`the result of ${id} is given: ${outcome}`);
    this.#promise("a task has one result", task.state === "finished" && !task.isGiven);
    this.#promise("after return() there are no results", (this.returnedIn ?? this.moment) === this.moment);
    this.#promise(`the outcome of ${id} is ${task.outcome}`, outcome === task.outcome);
    const shown = task.shown!;
    this.#promise("a result is about the last attempt", attempts === shown.number && slot === shown.slot);
    this.#promise("the output is that of the last attempt", (shown.end?.stdout.text ?? "") === stdout);
    const comesBefore = this.settings.keepOrder
      ? ({ sequence, state }: TaskState) => sequence < task.sequence && state !== "gone"
      : ({ since, state }: TaskState) => since < task.since && state === "finished";
    const isRightTurn = !this.tasks.some((other) => comesBefore(other) && !other.isGiven);
    this.#promise("results come in the order of the tasks, or in that of their ends", isRightTurn);
    this.#given++;
    task.isGiven = true;
  }

  /** The iterator has come to its end, with an error or without. */
  finishes(error?: Error): void {
    this.#promise("the end comes when the executor is closed", this.executorHasClosed);
    this.#promise("the end comes after the last result", this.hasReturned || this.results.every((one) => one.isGiven));
    this.#promise("an error is thrown once", !error || !this.#hasThrown);
    this.#promise("after return() nothing is thrown", !error || (this.returnedIn ?? this.moment) === this.moment);
    // Of a source that fails just when it is left nobody need know.
    const sure = this.failures.filter(({ since, isOfSource }) => !isOfSource || since !== this.drainedIn);
    const first = this.failures.filter(({ since }) => since <= (sure[0]?.since ?? Infinity));
    const isFirst = error ? first.some((failure) => failure.error === error) : sure.length === 0;
    this.#promise("the first error is thrown", isFirst || this.#hasThrown || this.hasReturned && !error);
    this.#hasThrown = true;
  }

  reports(progress: Progress): void {
    const { finished, failed, running, retrying, throttledBy } = progress;
    const wasNoticed = ({ since }: TaskState) => since < this.moment;
    const between = (what: string, least: number, value: number, most: number) =>
      this.#promise(`${what}: from ${least} to ${most}, not ${value}`, least <= value && value <= most);
    const bad = this.results.filter(({ outcome }) => outcome !== "ok" && outcome !== "canceled");
    const started = this.tasks.filter(({ attempts }) => attempts.length > 0);
    const isIn = ({ state }: TaskState) => state !== "gone";
    const mayBeIn = (task: TaskState) => isIn(task) || !wasNoticed(task);
    between("finished", this.results.filter(wasNoticed).length, finished, this.results.length);
    between("failed", bad.filter(wasNoticed).length, failed, bad.length);
    between("running", this.live.length, running, this.perhapsLive.length);
    const sum = finished + running + retrying;
    between("finished, running or retrying", started.filter(isIn).length, sum, started.filter(mayBeIn).length);
    this.#promise("a run is held back only by startDelayMs", !throttledBy || !this.#gateWasOpen);
    this.#promise("only with a free slot it is held back", !throttledBy || this.live.length < this.concurrency);
    this.#reports++;
    const { length } = this.attempts;
    if (throttledBy && length === this.#reportedStarts && finished === this.#progress?.finished) this.#holds++;
    this.#reportedStarts = length;
    this.#progress = progress;
  }

  // ---- What it must have done when nothing more happens by itself ----

  settles(seen: Seen): void {
    const { halt } = this.settings;
    const counts = (sequence: string) => this.#counted.some((task) => `${task.sequence}` === sequence);
    this.#promise("haltedBy is there when the limit is met", this.#isHalted === (seen.haltedBy !== undefined));
    this.#promise("haltedBy is a result that counts", !seen.haltedBy || counts(seen.haltedBy.id));
    this.#promise("a run that was halted starts nothing more", !this.#isHalted || this.isDraining);
    this.#promise("nor does one whose executor has failed", !this.executorHasFailed || this.isDraining);
    this.isStopping ||= this.#isHalted && halt!.when === "now";
    for (const attempt of this.live) {
      const isTold = (reason: AttemptStop) => attempt.told.some((told) => told.reason === reason);
      this.#promise("a run that is stopped ends what runs", !this.isStopping || isTold("canceled"));
      const isKilled = attempt.told.some(({ killAfterMs }) => killAfterMs === 0);
      this.#promise("kill() does not wait", !this.isKilling || isKilled);
      this.#promise("an attempt is ended after its timeout", !this.#isOverdue(attempt) || isTold("timeout"));
      this.#promise("one that prints too much is ended", !attempt.hasExceeded || isTold("output-limit"));
    }

    const hasSlot = this.hasBegun && this.isOpen && !this.isDraining && this.live.length < this.concurrency;
    const mayStart = hasSlot && this.#gateIsOpen;
    const isDue = ({ state, retryMs }: TaskState) => state === "waiting" && retryMs.by <= this.nowMs;
    this.#promise("a task is tried again as soon as it may", !mayStart || !this.tasks.some(isDue));
    this.#promise("a task is started as soon as it may", !mayStart || !this.#hasRoom() || !this.ahead);
    const mayRead = hasSlot && this.#hasRoom() && !this.inputEnded && !this.ahead;
    this.#promise("a task is read as soon as it may", !mayRead || this.isReading);
    const isLeft = this.sourceHasEnded || seen.sourceIsLeft === this.inputEnded;
    this.#promise("the source is left when nothing more is to be read, and only then", isLeft);

    const isSilent = ({ hasEnded, sequence, number }: HookCall) =>
      !hasEnded && this.tasks[sequence - 1]!.attempts[number - 1]!.endedIn !== undefined;
    this.#promise("onEnd is called for each attempt that has ended", !this.#hooks.some(isSilent));

    const given = Math.min(this.asked, this.ready().length);
    this.#promise("who asks gets a result as soon as there is one", this.hasReturned || this.#given === given);
    this.#promise("every result is reported", this.results.length === (this.#progress?.finished ?? 0));
    const told = this.attempts.length + this.results.length + this.#holds;
    this.#promise("each start, each result and each hold is reported, and nothing else", this.#reports === told);
    this.#promise("nothing is held back without a limit", this.settings.startDelayMs > 0 || this.#holds === 0);
    const isUnseen = ({ number, task, end }: AttemptState) => number < (task.shown?.number ?? 0) && end;
    const isKept = (attempt: AttemptState) => isUnseen(attempt) && !attempt.isDiscarded;
    this.#promise("what was tried again leaves nothing", !this.attempts.some(isKept));

    const isOver = this.isOver && (this.hasBegun ? this.isOpen : this.hasReturned);
    this.#promise("a run that is over is closed", !isOver || this.#closes === 1);
    this.#promise("`closed` settles when the executor is closed", seen.isClosed === this.executorHasClosed);
    if (seen.isClosed) {
      this.#promise("nobody waits for a run that is closed", seen.takers === 0);
      this.#promise("a run that is closed has no timer and no listener", seen.timers === 0 && !seen.listensToSignal);
      const isForgotten = ({ isGiven, shown }: TaskState) => !isGiven && shown?.end && !shown.isDiscarded;
      this.#promise("results nobody takes leave nothing", !this.hasReturned || !this.results.some(isForgotten));
    }
    this.#settledMs = this.nowMs;
    this.#gateWasOpen = this.#gateIsOpen;
    this.goesOn();
  }

  #promise(text: string, isKept: boolean): void {
    if (!isKept) this.violation ??= `${text} (at ${this.nowMs} ms)`;
  }

  /** The results that count for the limit of the run. */
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
    return !this.settings.keepsTime && this.nowMs >= startedMs + (task.timeoutMs ?? Infinity);
  }

  /** Whether its timeout was over for so many turns that an end of its own that had happened would have been seen. */
  #isOverdue(attempt: AttemptState): boolean {
    if (!this.#isLate(attempt)) return false;
    if (attempt.lateTurnsMs.at(-1) !== this.nowMs) attempt.lateTurnsMs.push(this.nowMs);
    return attempt.lateTurnsMs.length > LATE_TURNS;
  }

  /** Whether fewer results than `concurrency` wait to be taken, of those that are older than a moment. */
  #hasRoom(moment?: number): boolean {
    return this.ready(moment).length - this.asked < this.concurrency;
  }
}
