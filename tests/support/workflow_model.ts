/**
 * Model of the guarantees for workflows: which task may start when, where, and beside which others, and which results there
 * are. Checks each action of the pool when it happens, and, when the pool is idle, that no required action is missing.
 *
 * @module
 */

import type { Outcome, Progress, Task, TaskResult } from "../../mod.ts";
import type { Attempt } from "../../pool/executor.ts";
import { isWorkflowTask } from "../../pool/task_feed.ts";
import { type Fate, prerequisitesOf, WorkflowOracle } from "./workflow_oracle.ts";

/** Settings of a run of a workflow. */
export interface WorkflowRunSettings {
  readonly concurrency: number;
  readonly keepOrder: boolean;
  readonly retry: { readonly limit: number; readonly delayMs: number };
  readonly halt:
    | { readonly when: "now" | "soon"; readonly on: "fail" | "success" | "done"; readonly count: number }
    | undefined;
  /** Units by resource. */
  readonly resources: Readonly<Record<string, number>>;
  readonly maxWaiting: number;
  /** The expected durations, by id. */
  readonly estimates: Readonly<Record<string, number>> | undefined;
  readonly recorded: ReadonlyMap<string, Outcome>;
  /** True if no task starts before the input has been read to its end or to `maxWaiting`. */
  readonly isReadFirst: boolean;
  /** True if each action settles before the next, so that the model knows what the pool knows. */
  readonly isExact: boolean;
}

/** A task that was read. */
interface TaskState {
  readonly task: Task;
  readonly index: number;
  /** `waiting` for another attempt; `gone` if the task never starts. */
  state: "read" | "running" | "waiting" | "finished" | "gone";
  attempts: number;
  /** The earliest and the latest time of the next attempt. */
  retryMs: { from: number; by: number };
  outcome: Outcome | undefined;
  slots: readonly number[];
  units: ReadonlyMap<string, readonly number[]>;
  isYielded: boolean;
}

/** A kind of task by what it occupies. */
interface Group {
  readonly key: string;
  readonly first: TaskState;
}

export class WorkflowModel {
  /** The first violated guarantee. */
  violation: string | undefined;
  readonly tasks: TaskState[] = [];
  readonly history: string[] = [];
  concurrency: number;
  /** True when no task starts for the first time any more. */
  hasInputEnded = false;
  isDraining = false;
  hasReturned = false;
  /** The errors of which the run throws one; an error that is not certain may be missing. */
  readonly failures: { matches: (error: unknown) => boolean; isCertain: boolean }[] = [];
  /** True when the run has read all tasks. */
  isComplete = false;
  isHalted = false;
  /** The number of calls of `next()`. */
  asked = 0;
  readonly #settings: WorkflowRunSettings;
  readonly #clock: { readonly nowMs: number };
  readonly #passes = new Map<string, number>();
  readonly #decidedCycles: number[][] = [];
  #progress: Progress | undefined;
  #oracle: WorkflowOracle | undefined;
  #hasBegun: boolean;
  /** The index of the first task of the workflow. */
  #firstIndex = 0;
  #times: Map<number, number> | undefined;
  #retries = 0;
  /** The tasks that had ended in an earlier moment, when the model is not exact. */
  #isUnsettled = false;

  constructor(settings: WorkflowRunSettings, clock: { readonly nowMs: number }) {
    this.#settings = settings;
    this.#clock = clock;
    this.concurrency = settings.concurrency;
    this.#hasBegun = settings.isReadFirst;
  }

  /** The value of `Math.random()`, so that no two retries are due at the same time. */
  get random(): number {
    return this.#retries / 500 % 1;
  }

  // ---- Events of the environment ----

  /** The pool asks for the next task. */
  asksForTask(): void {
    this.#expect(
      "no task is read after the end of the input",
      !this.hasInputEnded && !this.isComplete || !this.#settings.isExact,
    );
    if (this.#hasBegun && this.#isStuck) this.#decideCycles();
    this.#expect("at most maxWaiting tasks wait", !this.#hasBegun || !this.#isFull);
  }

  reads(task: Task): void {
    const index = this.tasks.length;
    this.#changes(`task ${index + 1} is read`);
    if (!this.#hasBegun && isWorkflowTask(task)) {
      this.#hasBegun = true;
      this.#firstIndex = index;
    }
    const state = this.hasInputEnded ? "gone" : "read";
    this.tasks.push({
      ...{ task, index, state, attempts: 0, retryMs: { from: Infinity, by: Infinity }, outcome: undefined },
      ...{ slots: [], units: new Map(), isYielded: false },
    });
    const problem = this.#hasBegun ? this.#problemOf(index) : undefined;
    if (problem) this.inputFails((error) => String(error).includes(problem));
  }

  /** The source has no further task. */
  completes(): void {
    this.#changes("the source ends");
    this.isComplete = true;
    this.#decideCycles();
    if (!this.#settings.estimates) return;
    const known = this.tasks.map(({ index }) => this.#estimateOf(index)).filter((ms) => ms !== undefined);
    const average = known.length === 0 ? 0 : known.reduce((sum, ms) => sum + ms, 0) / known.length;
    this.#times = new Map(this.tasks.map(({ index }) => [index, this.#remainingTime(index, average, new Set())]));
  }

  /** Reading fails: no further task starts for the first time. */
  inputFails(matches: (error: unknown) => boolean): void {
    this.#changes("reading fails");
    // The pool may not have noticed an earlier end, or may have ended before it notices the failure.
    const { isExact } = this.#settings;
    if (!this.hasInputEnded || !isExact) this.failures.push({ matches, isCertain: isExact });
    this.#endInput();
  }

  drains(): void {
    this.#changes("the run drains");
    this.isDraining = true;
    for (const task of this.tasks) if (task.state === "waiting") this.#finishes(task, "canceled");
    this.#endInput();
  }

  fails(error: Error): void {
    // The run may have ended just before.
    this.failures.push({ matches: (thrown) => thrown === error, isCertain: this.#settings.isExact });
  }

  /** Returns what the attempts of this run end with; `isFinal` is false if the task is retried. */
  ends(index: number, outcome: Outcome): void {
    const task = this.tasks[index]!;
    this.#changes(`${index + 1}.${task.attempts} ends: ${outcome}`);
    const isRetried = (outcome === "failed" || outcome === "killed") &&
      task.attempts <= (task.task.retries ?? this.#settings.retry.limit);
    task.slots = [];
    task.units = new Map();
    if (!isRetried) return this.#finishes(task, outcome);
    if (this.isDraining) return this.#finishes(task, "canceled");
    task.state = "waiting";
    this.#retries++;
    const { retry, isExact } = this.#settings;
    const longestMs = retry.delayMs * 2 ** (task.attempts - 1);
    const at = (random: number) => this.#clock.nowMs + Math.trunc(longestMs * (1 + random) / 2);
    // The pool may notice several ends later.
    task.retryMs = isExact ? { from: at(this.random), by: at(this.random) } : { from: at(0), by: at(1) };
  }

  // ---- Actions of the pool ----

  starts({ sequence, number, slot, env = {} }: Attempt): void {
    const task = this.tasks[sequence - 1]!;
    const { isExact, resources } = this.#settings;
    this.log(`${sequence}.${number} starts in slot ${slot}, ${JSON.stringify(env)}`);
    this.#expect(
      "no attempt starts after the run was halted, drained or stopped",
      !this.isDraining || this.#isUnsettled,
    );
    // The pool has not noticed the end of the run.
    if (this.#isUnsettled && task.state === "gone") task.state = "read";
    if (this.#isUnsettled && task.state === "finished" && task.outcome === "canceled") {
      task.state = "waiting";
      task.retryMs = { from: this.#clock.nowMs, by: Infinity };
    }
    const isFirst = task.state === "read";
    if (isFirst && this.#hasBegun && this.#isStuck) this.#decideCycles();
    this.#expect("a task starts once, and again only for a retry", isFirst || task.state === "waiting");
    if (isFirst) {
      this.#expect("only a task whose prerequisites allow it starts", this.fateOf(task).kind === "run");
      for (const id of prerequisitesOf(task.task)) {
        const found = this.tasks.find(({ task }) => String(task.id) === id);
        this.#expect("a task starts after its prerequisites", found?.state !== "running" && found?.state !== "waiting");
      }
    } else this.#expect("a retry waits for its delay", this.#clock.nowMs >= task.retryMs.from);
    this.#expect("the attempts of a task are numbered consecutively", number === task.attempts + 1);

    const used = this.#usedSlots;
    const { slots = 1, uses = {} } = task.task;
    this.#expect(
      "the slots in use are at most the concurrency",
      used.length === 0 || used.length + slots <= this.concurrency,
    );
    this.#expect("a slot is used once", !used.includes(slot));
    const lowest = Array.from({ length: slots + used.length }, (_, at) => at + 1).filter((one) => !used.includes(one));
    if (isExact) this.#expect("a task gets the lowest slots", slot === lowest[0]);
    const units = new Map<string, number[]>();
    for (const [name, count] of Object.entries(uses)) {
      const text = env[`TASKRUNNER_${name.toUpperCase()}`];
      if (count === 0) {
        this.#expect("no variable for no units", text === undefined);
        continue;
      }
      const numbers = text!.split(",").map(Number);
      const taken = this.#takenUnits(name);
      const free = Array.from({ length: resources[name]! }, (_, unit) => unit).filter((unit) => !taken.includes(unit));
      this.#expect("a task has the units that it needs", numbers.length === count && new Set(numbers).size === count);
      this.#expect("a unit is used once", numbers.every((unit) => free.includes(unit)));
      if (isExact) this.#expect("a task gets the lowest units", numbers.join() === free.slice(0, count).join());
      units.set(name, numbers);
    }
    if (isExact && this.#hasBegun) this.#checkOrder(task);
    this.#changes();
    task.state = "running";
    task.attempts++;
    // The pool may have chosen further slots before it noticed that lower ones are free.
    task.slots = isExact ? lowest.slice(0, slots) : [slot, ...Array.from({ length: slots - 1 }, () => NaN)];
    task.units = units;
  }

  yields(result: TaskResult): void {
    const { id, outcome, error, attempts, slot } = result;
    this.log(`the result of ${id} is yielded: ${outcome}`);
    this.#expect("no result is yielded after return()", !this.hasReturned || this.#isUnsettled);
    const task = this.tasks.find((one) => !one.isYielded && this.#canYield(one, result));
    if (!task) return this.#expect(`a task has one result, that of its run: ${id} ${outcome}`, false);
    task.isYielded = true;
    if (this.#settings.keepOrder) {
      const later = this.tasks.some((other) => other.isYielded && other.index > task.index);
      this.#expect("results are in the order of the input", !later);
    }
    if (outcome === "skipped") {
      const fate = this.fateOf(task);
      const isRight = fate.kind === "skipped" &&
        (fate.error.endsWith(": ") ? error!.startsWith(fate.error) : error === fate.error);
      this.#expect(`a skipped task names its cause: ${error}, not ${JSON.stringify(fate)}`, isRight);
      this.#expect("a skipped task has no attempt", attempts === 0 && slot === 0 && task.attempts === 0);
    }
  }

  reports(progress: Progress): void {
    this.#progress = progress;
    if (!this.#settings.isExact || this.isDraining) return;
    const count = (state: TaskState["state"]) => this.tasks.filter((task) => task.state === state).length;
    const { running, retrying, failed } = progress;
    this.#expect(`${running} running tasks are reported`, running === count("running"));
    this.#expect(`${retrying} retries are reported`, retrying === count("waiting"));
    this.#expect(`${failed} failed tasks are reported`, failed === this.#failed);
  }

  // ---- What the pool must have done when everything has settled ----

  /** @param isReading True when the pool waits for a task of the source. */
  settles(
    { isReading, hasHalted, canStart }: {
      isReading: boolean;
      hasHalted: boolean;
      canStart: boolean;
    },
  ): void {
    this.#isUnsettled = false;
    this.#expect("a run is halted exactly when its limit is reached", this.isHalted === hasHalted);
    const { finished = 0, failed = 0 } = this.#progress ?? {};
    const ended = this.tasks.filter(({ state }) => state === "finished");
    const skipped = this.tasks.filter((task) => task.state === "read" && this.fateOf(task).kind === "skipped");
    this.#expect("all failed tasks are reported", failed === this.#failed);
    this.#expect("all ended tasks are reported", finished >= ended.length);
    const isPossible = this.hasInputEnded || finished <= ended.length + skipped.length;
    this.#expect("only ended and skipped tasks are reported", isPossible);
    if (!canStart || this.hasInputEnded || !this.#hasBegun) return;
    const hasRoom = this.#hasRoom;
    const candidate = this.#choose(hasRoom);
    // Without the number of passes, any task may wait for one that does not fit.
    const isUncertain = !this.#settings.isExact && this.#readyTasks().some((task) => !this.#fits(task));
    const mayStart = this.#hasSlot && !isUncertain;
    this.#expect(`a task starts as soon as possible: ${candidate && candidate.index + 1}`, !candidate || !mayStart);
    const isTaken = finished === ended.length + skipped.length;
    this.#expect(`all skipped tasks have a result: ${finished}`, isTaken || !hasRoom);
    // Kept results wait for room, too.
    if (!isTaken || !hasRoom && this.tasks.some((task) => this.fateOf(task).kind === "kept")) return;
    if (!this.#isFull) this.#expect("a task is read as soon as possible", isReading || this.isComplete);
    if (!this.#isStuck || this.isComplete || this.#decideCycles()) return;
    this.inputFails(isStuckError);
  }

  /** Checks the state after the end of the run. */
  finishes(errors: readonly unknown[]): void {
    if (!this.#settings.isExact) this.failures.push({ matches: isStuckError, isCertain: false });
    const expected = this.failures.filter(({ isCertain }) => isCertain);
    this.#expect("at most one error is thrown", errors.length <= 1);
    if (this.hasReturned) return;
    if (errors.length > 0) {
      this.#expect(`the error is expected: ${errors[0]}`, this.failures.some(({ matches }) => matches(errors[0])));
    } else this.#expect("the error is thrown", expected.length === 0);
    if (errors.length > 0 && this.#settings.isExact && expected.length > 0) {
      this.#expect(
        `the first error is thrown, not ${errors[0]}`,
        this.failures[0]!.matches(errors[0]) || !this.failures[0]!.isCertain,
      );
    }
    for (const task of this.tasks) {
      const name = `task ${task.index + 1}`;
      if (task.state === "finished") this.#expect(`${name} has its result`, task.isYielded);
      this.#expect(`${name} has ended`, task.state !== "running" && task.state !== "waiting");
      if (this.hasInputEnded || task.state !== "read") continue;
      const { kind } = this.fateOf(task);
      this.#expect(`${name} is decided, not ${kind}`, kind === "skipped" || kind === "kept");
      this.#expect(`${name} has a result if skipped`, task.isYielded === (kind === "skipped"));
    }
    const yielded = this.tasks.filter(({ isYielded }) => isYielded).length;
    this.#expect("each reported result is yielded", yielded === (this.#progress?.finished ?? 0));
  }

  /** Returns the decision about a task. */
  fateOf({ index }: TaskState): Fate {
    return this.#oracleNow.fateOf(index);
  }

  log(what: string): void {
    this.history.push(`${this.#clock.nowMs} ms: ${what}`);
  }

  // ---- Details ----

  get #oracleNow(): WorkflowOracle {
    return this.#oracle ??= new WorkflowOracle({
      tasks: this.tasks.map(({ task }) => task),
      isComplete: this.isComplete,
      outcomeOf: (index) => this.tasks[index]!.outcome,
      recordedOf: (id) => this.#settings.recorded.get(id),
      decidedCycles: this.#decidedCycles,
    });
  }

  #changes(what?: string): void {
    if (what !== undefined) this.log(what);
    this.#oracle = undefined;
    this.#isUnsettled = !this.#settings.isExact;
  }

  #endInput(): void {
    this.hasInputEnded = true;
    for (const task of this.tasks) {
      const isSkipped = () => ["skipped", "kept"].includes(this.fateOf(task).kind);
      if (task.state === "read" && !isSkipped()) task.state = "gone";
    }
  }

  #finishes(task: TaskState, outcome: Outcome): void {
    task.state = "finished";
    task.outcome = outcome;
    this.#oracle = undefined;
    const { halt } = this.#settings;
    if (!halt || this.isHalted) return;
    const counted = this.tasks.filter(({ state, outcome }) => {
      if (state !== "finished" || outcome === "canceled") return false;
      return halt.on === "done" || (outcome === "ok") === (halt.on === "success");
    });
    this.isHalted = counted.length >= halt.count;
    if (this.isHalted) this.drains();
  }

  /** Returns the error of a task that is refused. */
  #problemOf(index: number): string | undefined {
    const { task } = this.tasks[index]!;
    const tasks = this.tasks.map(({ task }) => task);
    const { slots = 1, uses = {}, id } = task;
    const maxSlots = Math.max(this.#settings.concurrency, this.concurrency);
    if (slots > maxSlots) return `"slots" must be at most ${maxSlots}`;
    for (const [name, count] of Object.entries(uses)) {
      const units = this.#settings.resources[name];
      if (units === undefined) return "names a resource that the run does not have";
      if (count > units) return `must be at most ${units}, the units of the run`;
    }
    const earlier = tasks.slice(0, -1);
    const isNamed = (name: string, among: readonly Task[]) =>
      among.some((other) => !this.#isDone(other) && prerequisitesOf(other).includes(name));
    const isTwice = (name: string) =>
      tasks.filter((other) => String(other.id) === name && other.id !== undefined).length > 1;
    if (id !== undefined && isTwice(String(id)) && isNamed(String(id), earlier)) {
      return "is also the id of an earlier task";
    }
    if (!this.#isDone(task) && prerequisitesOf(task).some(isTwice)) return "which is the id of several tasks";
    return undefined;
  }

  #isDone({ id }: Task): boolean {
    return id !== undefined && this.#settings.recorded.get(String(id)) === "ok";
  }

  /** The number of tasks that wait, when all decided tasks have their results. */
  get #waiting(): number {
    return this.tasks.filter((task) => {
      const { kind } = this.fateOf(task);
      return task.state === "read" && kind !== "skipped" && kind !== "kept";
    }).length;
  }

  get #failed(): number {
    return this.tasks.filter(({ outcome = "ok" }) => outcome !== "ok" && outcome !== "canceled").length;
  }

  get #isFull(): boolean {
    return this.#waiting >= this.#settings.maxWaiting;
  }

  /** True if no task can start before another is read, which is not possible. */
  get #isStuck(): boolean {
    const isIdle = !this.tasks.some(({ state }) => state === "running" || state === "waiting");
    return this.#isFull && isIdle && this.#readyTasks().length === 0;
  }

  /** Decides the tasks in cycles. Returns whether there are such tasks, besides those decided before. */
  #decideCycles(): boolean {
    const cycles = this.#oracleNow.completeCycles;
    if (cycles.length === 0) return false;
    this.#decidedCycles.push(...cycles);
    this.#changes("cycles are decided");
    return true;
  }

  get #usedSlots(): number[] {
    return this.tasks.flatMap(({ slots }) => slots);
  }

  #takenUnits(name: string): number[] {
    return this.tasks.flatMap(({ units }) => units.get(name) ?? []);
  }

  #freeUnits(name: string): number {
    return this.#settings.resources[name]! - this.#takenUnits(name).length;
  }

  get #hasSlot(): boolean {
    return this.#usedSlots.length < this.concurrency;
  }

  get #freeSlots(): number {
    const used = this.#usedSlots.length;
    return used === 0 ? Infinity : this.concurrency - used;
  }

  /** True if fewer than `concurrency` results wait for the consumer. */
  get #hasRoom(): boolean {
    const finished = this.#progress?.finished ?? 0;
    if (!this.#settings.keepOrder) return finished - this.asked < this.concurrency;
    let ready = 0;
    for (const task of this.tasks) {
      const { kind } = this.fateOf(task);
      if (task.state === "gone" || kind === "kept" && task.state === "read") continue;
      // A skipped task may still wait for room.
      if (task.state !== "finished" && kind !== "skipped") break;
      ready++;
    }
    return ready - this.asked < this.concurrency;
  }

  #readyTasks(): TaskState[] {
    const { nowMs } = this.#clock;
    return this.tasks.filter((task) =>
      task.state === "waiting" && task.retryMs.by <= nowMs ||
      task.state === "read" && !this.hasInputEnded && this.fateOf(task).kind === "run"
    );
  }

  /** Returns the task that starts next; `undefined` when none may start. */
  #choose(hasRoom: boolean): TaskState | undefined {
    const isBegun = !this.#settings.isReadFirst || this.isComplete || this.#waiting >= this.#settings.maxWaiting ||
      this.hasInputEnded;
    const groups = this.#groups();
    const limit = 2 * this.concurrency;
    const isDelayed = ({ key }: Group) => (this.#passes.get(key) ?? 0) >= limit;
    const isWanted = ({ first }: Group) => hasRoom && isBegun || first.state === "waiting";
    const delayed = groups.filter((group) => isDelayed(group) && isWanted(group));
    return groups.filter((group) => {
      const { first } = group;
      if (!isWanted(group) || !this.#fits(first)) return false;
      return !delayed.some((other) => {
        const comesFirst = !isDelayed(group) || this.#precedes(other.first, first);
        return other !== group && comesFirst && this.#delays(first, other.first);
      });
    }).map(({ first }) => first).sort((one, other) => this.#precedes(one, other) ? -1 : 1)[0];
  }

  #checkOrder(task: TaskState): void {
    const hasRoom = this.#hasRoom;
    this.#expect(
      "no task starts while `concurrency` results wait for the consumer",
      hasRoom || task.state === "waiting",
    );
    const chosen = this.#choose(hasRoom);
    this.#expect(`the first task that fits starts, ${chosen && chosen.index + 1}`, chosen === task);
    const key = keyOf(task.task);
    for (const group of this.#groups()) {
      if (group.key === key || !this.#precedes(group.first, task)) continue;
      this.#passes.set(group.key, (this.#passes.get(group.key) ?? 0) + 1);
    }
    this.#passes.set(key, 0);
  }

  #groups(): Group[] {
    const groups = new Map<string, Group>();
    for (const task of this.#readyTasks()) {
      const key = keyOf(task.task);
      const known = groups.get(key);
      if (!known || this.#precedes(task, known.first)) groups.set(key, { key, first: task });
    }
    return [...groups.values()];
  }

  #precedes(one: TaskState, other: TaskState): boolean {
    const rank = (task: TaskState) => [
      task.state === "waiting" ? 1 : 0,
      task.task.priority ?? 0,
      task.index < this.#firstIndex ? 0 : this.#times?.get(task.index) ?? 0,
      -task.index,
    ];
    const [a, b] = [rank(one), rank(other)];
    const at = a.findIndex((value, index) => value !== b[index]);
    return at !== -1 && a[at]! > b[at]!;
  }

  #fits({ task: { slots = 1, uses = {} } }: TaskState): boolean {
    return slots <= this.#freeSlots && Object.entries(uses).every(([name, count]) => count <= this.#freeUnits(name));
  }

  /** Returns whether a task would take what another one waits for. */
  #delays({ task }: TaskState, { task: waiting }: TaskState): boolean {
    const { slots = 1, uses = {} } = task;
    const { slots: needed = 1, uses: needs = {} } = waiting;
    if (needed > 1 && this.#freeSlots - slots < needed) return true;
    return Object.entries(needs).some(([name, count]) => {
      const taken = uses[name] ?? 0;
      return count > 0 && taken > 0 && this.#freeUnits(name) - taken < count;
    });
  }

  /** Returns whether a result can be that of a task. Several tasks may have the same id. */
  #canYield(task: TaskState, { id, outcome, attempts, after, uses, slots = 1 }: TaskResult): boolean {
    const own = task.task;
    if (String(own.id ?? task.index + 1) !== id || (own.slots ?? 1) !== slots) return false;
    if (after?.join() !== (own.after === undefined ? undefined : prerequisitesOf(own).join())) return false;
    if (JSON.stringify(uses) !== JSON.stringify(own.uses)) return false;
    // The pool may have decided a task before it noticed the end of the run.
    const maySkip = task.state === "read" || task.state === "gone" && !this.#settings.isExact;
    if (outcome === "skipped") return maySkip && this.fateOf(task).kind === "skipped";
    if (attempts !== task.attempts) return false;
    return task.state === "finished" && task.outcome === outcome;
  }

  /** Returns the expected duration of a task. Only the first of the tasks with an id has one. */
  #estimateOf(index: number): number | undefined {
    const id = String(this.tasks[index]!.task.id);
    const isFirst = this.tasks.findIndex(({ task }) => String(task.id) === id) === index;
    return isFirst ? this.#settings.estimates![id] : undefined;
  }

  /** Returns the time until the last dependent has ended; 0 for tasks in a cycle. */
  #remainingTime(index: number, average: number, path: ReadonlySet<number>): number {
    if (this.#waitsForCycle(index, new Set())) return 0;
    const { id } = this.tasks[index]!.task;
    const own = this.#estimateOf(index) ?? average;
    let longest = 0;
    for (const other of this.tasks) {
      if (id === undefined || path.has(other.index) || this.#isDone(other.task)) continue;
      if (!prerequisitesOf(other.task).includes(String(id))) continue;
      longest = Math.max(longest, this.#remainingTime(other.index, average, new Set([...path, index])));
    }
    return own + longest;
  }

  /** Returns whether a task is in a cycle or waits for one. */
  #waitsForCycle(index: number, seen: Set<number>): boolean {
    if (this.#oracleNow.cyclesWithout([]).some((cycle) => cycle.includes(index))) return true;
    if (seen.has(index) || this.#isDone(this.tasks[index]!.task)) return false;
    seen.add(index);
    return prerequisitesOf(this.tasks[index]!.task).some((id) => {
      const found = this.tasks.findIndex(({ task }) => String(task.id) === id && task.id !== undefined);
      return found !== -1 && this.#waitsForCycle(found, seen);
    });
  }

  #expect(text: string, isKept: boolean): void {
    if (!isKept) this.violation ??= `${text} (at ${this.#clock.nowMs} ms)`;
  }
}

function isStuckError(error: unknown): boolean {
  return String(error).includes("wait for tasks that have not been read, such as");
}

/** Returns a text that is the same for tasks with the same demand. */
function keyOf({ slots = 1, uses = {} }: Task): string {
  return `${slots} ${
    Object.entries(uses).filter(([, count]) => count > 0).map(([name, count]) => `${name}=${count}`).sort()
  }`;
}
