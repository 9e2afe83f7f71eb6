/** The slots of a worker, which its runs share, and the tasks that wait for a slot. @module */

/** The time within which the waiting tasks are to start, in milliseconds. */
const AHEAD_MS = 25;
/** The maximum number of waiting tasks, which the runs with waiting tasks share. */
const MAX_WAITING = 32;
/** The longest average duration of tasks for which waiting is worthwhile, in milliseconds. */
const MAX_AVERAGE_MS = 20;
/** The time after which a waiting task is returned, in milliseconds. */
const MAX_WAIT_MS = 100;
/** The time without the end of a task after which running tasks count as long, in milliseconds. */
const STALE_MS = 1_000;
/** The interval at which the worker looks for tasks that have waited too long, in milliseconds. */
const CHECK_MS = 25;

/** Callbacks of {@linkcode SlotQueue}. */
export interface SlotQueueOptions<Task> {
  /** Called when a task has a slot, which has to be released after the task. */
  start: (task: Task, slot: number) => void;
  /** Called with a task that has waited too long. */
  giveBack: (task: Task) => void;
}

/** A queue with any kind of tasks. */
type RunQueue = Pick<SlotQueue<unknown>, "size" | "startNext" | "giveBackOlder">;

/** The slots of a worker, numbered from 1. */
export class Slots {
  readonly #isTaken: boolean[];
  #free: number;
  /** The queues of the runs. The next run whose task starts is the first. */
  readonly #queues: RunQueue[] = [];
  readonly #ended = new EndedTasks();
  #woken = Promise.withResolvers<void>();
  #checker: ReturnType<typeof setInterval> | undefined;

  /** @param count the number of slots. */
  constructor(count: number) {
    this.#isTaken = Array(count).fill(false);
    this.#free = count;
  }

  /** The number of slots. */
  get count(): number {
    return this.#isTaken.length;
  }

  /** The number of free slots. */
  get free(): number {
    return this.#free;
  }

  /** Returns the number of tasks of a run that may wait. 0 unless tasks are short, so that other workers get long ones. */
  maxWaitingOf(queue: RunQueue): number {
    const { count } = this.#ended;
    if (count === 0) return 0;
    const others = this.#queues.filter((other) => other !== queue && other.size > 0);
    return Math.max(1, Math.floor(count / (others.length + 1)));
  }

  /** Adds a run. */
  addQueue<Task>(options: SlotQueueOptions<Task>): SlotQueue<Task> {
    const queue = new SlotQueue(this, options, () => this.#startWaiting());
    this.#queues.push(queue);
    return queue;
  }

  /** Removes a run whose tasks have ended. */
  removeQueue(queue: RunQueue): void {
    this.#queues.splice(this.#queues.indexOf(queue), 1);
  }

  /** Frees a slot after a task of the given duration, for the next waiting task. */
  release(slot: number, durationMs: number): void {
    this.#ended.record(durationMs);
    this.#isTaken[slot - 1] = false;
    this.#free++;
    this.#startWaiting();
  }

  /** Settles when a slot is free, a waiting task has started, or {@linkcode wake} is called. */
  get woken(): Promise<void> {
    return this.#woken.promise;
  }

  /** Settles {@linkcode woken}. */
  wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers();
  }

  /** Starts waiting tasks, one of each run in turn. */
  #startWaiting(): void {
    for (let queue = this.#nextQueue(); queue && this.#free > 0; queue = this.#nextQueue()) {
      const index = this.#isTaken.indexOf(false);
      this.#isTaken[index] = true;
      this.#free--;
      if (this.#queues.length > 1) this.#queues.push(...this.#queues.splice(this.#queues.indexOf(queue), 1));
      queue.startNext(index + 1);
    }
    this.#checker ??= this.#nextQueue() && setInterval(() => this.#check(), CHECK_MS);
    this.wake();
  }

  #nextQueue(): RunQueue | undefined {
    return this.#queues.find(({ size }) => size > 0);
  }

  /** Returns the tasks that have waited too long, behind tasks that take longer than those before. */
  #check(): void {
    for (const queue of this.#queues) if (queue.giveBackOlder(MAX_WAIT_MS)) this.#ended.forget();
    if (this.#nextQueue()) return;
    clearInterval(this.#checker);
    this.#checker = undefined;
  }
}

/** The tasks of one run that wait for a slot. */
export class SlotQueue<Task> {
  readonly #slots: Slots;
  readonly #options: SlotQueueOptions<Task>;
  readonly #onAdded: () => void;
  readonly #waiting: { task: Task; sinceMs: number }[] = [];

  constructor(slots: Slots, options: SlotQueueOptions<Task>, onAdded: () => void) {
    this.#slots = slots;
    this.#options = options;
    this.#onAdded = onAdded;
  }

  /** The number of waiting tasks. */
  get size(): number {
    return this.#waiting.length;
  }

  /** The number of tasks that the run may take now. 0 while at least half of the tasks that may wait do. */
  get room(): number {
    const maxWaiting = this.#slots.maxWaitingOf(this);
    return this.#slots.free + (2 * this.size < maxWaiting ? maxWaiting - this.size : 0);
  }

  /** Settles when there is room or `isEnding` returns true. */
  async whenRoom(isEnding: () => boolean): Promise<void> {
    while (this.room === 0 && !isEnding()) await this.#slots.woken;
  }

  /** Adds a task, and starts it when a slot is free. Returns false when no further task may wait. */
  tryAdd(task: Task): boolean {
    if (this.#slots.free === 0 && this.size >= this.#slots.maxWaitingOf(this)) return false;
    this.#waiting.push({ task, sinceMs: performance.now() });
    this.#onAdded();
    return true;
  }

  /** Starts the task that has waited longest. */
  startNext(slot: number): void {
    this.#options.start(this.#waiting.shift()!.task, slot);
  }

  /** Removes and returns all tasks. */
  takeAll(): Task[] {
    return this.#waiting.splice(0).map(({ task }) => task);
  }

  /** Gives back the tasks that have waited for at least the given time. Returns whether there were any. */
  giveBackOlder(waitMs: number): boolean {
    const nowMs = performance.now();
    const count = this.#waiting.findLastIndex(({ sinceMs }) => nowMs - sinceMs >= waitMs) + 1;
    for (const { task } of this.#waiting.splice(0, count)) this.#options.giveBack(task);
    return count > 0;
  }
}

/** Counts the tasks that end in each period. */
class EndedTasks {
  #sinceMs = -Infinity;
  #count = 0;
  #sumMs = 0;
  #lastCount = 0;

  /** The number of tasks that ended in the last {@linkcode AHEAD_MS}, at most {@linkcode MAX_WAITING}; 0 for long tasks. */
  get count(): number {
    return performance.now() - this.#sinceMs < STALE_MS ? this.#lastCount : 0;
  }

  record(durationMs: number): void {
    this.#count++;
    this.#sumMs += durationMs;
    const elapsedMs = performance.now() - this.#sinceMs;
    if (elapsedMs < AHEAD_MS) return;
    const areShort = this.#sumMs <= MAX_AVERAGE_MS * this.#count;
    this.#lastCount = areShort ? Math.min(MAX_WAITING, Math.floor(this.#count * AHEAD_MS / elapsedMs)) : 0;
    this.#startPeriod();
  }

  forget(): void {
    this.#lastCount = 0;
    this.#startPeriod();
  }

  #startPeriod(): void {
    this.#sinceMs = performance.now();
    this.#count = 0;
    this.#sumMs = 0;
  }
}
