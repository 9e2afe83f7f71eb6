import type { SourceReader } from "../../jsonl/source.ts";
import { remainingTimes } from "../../graph/critical_path.ts";
import type { Outcome } from "../../records/result.ts";
import { type CheckedTask, checkTask } from "../../records/task.ts";
import { excerpt } from "../../text/excerpt.ts";
import { type Job, jobOf } from "../job.ts";
import { MemoryTasks } from "./memory_tasks.ts";
import type { WorkflowSettings } from "../workflow_options.ts";
import { ReadyQueue } from "./ready_queue.ts";
import { type Allocation, type Demand, ONE_SLOT, Resources, variablesOf } from "./resources.ts";
import type { SeenTasks } from "./seen_tasks.ts";
import type { HeldTasks, SourceFacts } from "./source_facts.ts";
import { Workflow } from "./workflow.ts";

/** The time for which tasks are read before the event loop gets a turn. */
const READ_MS = 10;

/** A task that does not run. */
export interface SkippedJob {
  readonly job: Job;
  /** The explanation for its new result. */
  readonly error: string;
}

/** Where a workflow begins: at its first task, which may be in the middle of the input. */
export interface WorkflowStart {
  readonly source: SourceReader<unknown>;
  readonly settings: WorkflowSettings;
  readonly facts: SourceFacts;
  /** The earlier tasks of the source. */
  readonly seen: SeenTasks | undefined;
  /** The number of earlier tasks. */
  readonly sequence: number;
  /** Returns the number of slots of the run. */
  readonly concurrency: () => number;
  /** The number of slots at the start of the run. */
  readonly initialConcurrency: number;
  /** Called when the source fails, yields a value that is not a task, or a held task cannot be read. */
  readonly onError: (error: unknown) => void;
}

/** A started task. */
interface Started {
  /** The node of the task; its position below zero for a task that started before the workflow. */
  readonly node: number;
  readonly demand: Demand;
  /** The slots and units of the running attempt; absent between attempts. */
  allocation?: Allocation | undefined;
}

/**
 * The tasks of a workflow. Reads ahead, holds the tasks that wait, and hands out the ready ones in their order, as far as the
 * resources suffice.
 */
export class WorkflowFeed {
  readonly #source: SourceReader<unknown>;
  readonly #settings: WorkflowSettings;
  /** Returns the largest number of slots of a task. */
  readonly #maxSlots: () => number;
  readonly #isReadFirst: boolean;
  readonly #held: HeldTasks;
  readonly #onUnresolved: SourceFacts["onUnresolved"];
  readonly #maxTasks: number;
  readonly #resources: Resources;
  readonly #workflow: Workflow;
  /** The number of ids of tasks before the workflow: their nodes come first. */
  readonly #seenIds: number;
  /** The number of tasks before the workflow. */
  readonly #seenTasks: number;
  readonly #ready: ReadyQueue;
  /** By node, for the few tasks that differ from most. */
  readonly #demands = new Map<number, Demand>();
  readonly #priorities = new Map<number, number>();
  /** By node: the expected time until the last dependent has ended. */
  #times: Float64Array | undefined;
  readonly #started = new Map<Job, Started>();
  /** The tasks that are due for another attempt. */
  readonly #retries = new Map<number, Job>();
  /** The tasks that do not run, from `#firstDecided`. A kept result is a node below zero. */
  #decided: number[] = [];
  #firstDecided = 0;
  /** The number of tasks that have been read and have neither started nor been decided otherwise. */
  #waiting = 0;
  /** The number of tasks whose recorded result stays. */
  #kept = 0;
  #unresolved = 0;
  #sequence: number;
  #isReading = false;
  #hasSourceEnded = false;
  #hasEnded = false;
  readonly #onError: (error: unknown) => void;

  constructor({ source, settings, facts, seen, sequence, concurrency, initialConcurrency, onError }: WorkflowStart) {
    this.#source = source;
    this.#settings = settings;
    this.#sequence = this.#seenTasks = sequence;
    this.#onError = onError;
    // The concurrency may be lowered for a while.
    this.#maxSlots = () => Math.max(initialConcurrency, concurrency());
    this.#isReadFirst = facts.isReadFirst;
    this.#onUnresolved = facts.onUnresolved;
    this.#held = facts.held ?? new MemoryTasks();
    this.#maxTasks = facts.held ? Infinity : settings.maxWaiting.tasks;
    this.#seenIds = seen?.ids.size ?? 0;
    this.#resources = new Resources(settings.resources);
    this.#ready = new ReadyQueue((one, other) => this.#precedes(one, other), () => 2 * concurrency());
    this.#workflow = new Workflow(seen, settings.recorded, {
      ready: (node) => this.#ready.add(node, this.#demandOf(node)),
      skipped: (node) => this.#decided.push(node),
      kept: (node) => this.#decided.push(~node),
    });
  }

  /** True when no task is left that has not started, or none is wanted. */
  get hasEnded(): boolean {
    return this.#hasEnded || this.#hasSourceEnded && this.#waiting === 0;
  }

  /** The number of tasks that are due for another attempt. */
  get retrying(): number {
    return this.#retries.size;
  }

  /** True if prerequisites of a task were missing or in a cycle. */
  get hasInvalidPrerequisites(): boolean {
    return this.#workflow.hasInvalidPrerequisites;
  }

  /**
   * Returns whether a task can start.
   *
   * @param hasRoom False if only a retry may start.
   */
  hasNext(freeSlots: number, hasRoom: boolean): boolean {
    return this.#ready.hasNext(freeSlots, this.#wanted(hasRoom));
  }

  /** Removes and returns the task to start next; `undefined` when it cannot be read, which ends the run. */
  take(freeSlots: number, hasRoom: boolean): Job | undefined {
    const { node, demand } = this.#ready.take(freeSlots, this.#wanted(hasRoom));
    const job = this.#retries.get(node) ?? this.#restore(node);
    if (!job) return undefined;
    if (!this.#retries.delete(node)) this.#waiting--;
    this.#started.set(job, { node, demand, allocation: this.#resources.allocate(demand) });
    return job;
  }

  /** Returns a function that tells whether a ready task may start. */
  #wanted(hasRoom: boolean): (node: number) => boolean {
    const isComplete = !this.#isReadFirst || this.#hasSourceEnded || this.#isFull;
    return hasRoom && isComplete && !this.#hasEnded ? () => true : (node) => this.#retries.has(node);
  }

  /** Returns the variables that tell a started task which units it has. */
  variablesOf(job: Job): Record<string, string> | undefined {
    const allocation = this.#started.get(job)?.allocation;
    return allocation && variablesOf(allocation);
  }

  /** Frees what an attempt has occupied. */
  release(job: Job): void {
    const started = this.#started.get(job);
    if (started?.allocation) this.#resources.release(started.allocation);
    if (started) started.allocation = undefined;
  }

  /** Queues a task for another attempt, before the tasks that have not started. */
  retry(job: Job): void {
    const { node, demand } = this.#started.get(job) ?? this.#adopt(job);
    this.#retries.set(node, job);
    this.#ready.add(node, demand);
  }

  /** Removes and returns a task that is due for another attempt. */
  takeRetry(): Job | undefined {
    for (const [node, job] of this.#retries) {
      this.#retries.delete(node);
      return job;
    }
    return undefined;
  }

  /** Notes the result of a task. */
  finish(job: Job, outcome: Outcome): void {
    const { task: { id }, sequence } = job;
    const started = this.#started.get(job);
    this.#started.delete(job);
    if (sequence <= this.#seenTasks) {
      const node = id === undefined ? -1 : this.#workflow.graph.find(String(id));
      if (node !== -1) this.#workflow.end(node, outcome); // an unknown node: a source that has changed since it was examined
    } else if (started) {
      this.#workflow.end(started.node, outcome);
      this.#forget(started.node);
    }
  }

  /** Frees the memory of a task that no longer waits. */
  #forget(node: number): void {
    this.#demands.delete(node);
    this.#priorities.delete(node);
  }

  /**
   * Removes and returns a task that does not run. Returns the position of a task whose recorded result stays; `undefined`
   * when there is neither, or a task cannot be read, which ends the run.
   */
  takeDecided(): SkippedJob | number | undefined {
    if (this.#hasEnded || this.#firstDecided === this.#decided.length) return undefined;
    const decided = this.#decided[this.#firstDecided]!;
    const node = decided < 0 ? ~decided : decided;
    const job = this.#restore(node);
    if (!job) return undefined;
    if (++this.#firstDecided === this.#decided.length) {
      this.#decided = [];
      this.#firstDecided = 0;
    }
    this.#waiting--;
    this.#forget(node);
    if (decided < 0) this.#kept++;
    return decided < 0 ? job.sequence : { job, error: this.#workflow.explain(decided) };
  }

  /**
   * Reads further tasks, or decides those that wait for each other. Returns `undefined` when there is nothing to do now.
   *
   * @param isIdle True if no started task is without a result.
   */
  fill(isIdle: boolean): Promise<void> | undefined {
    const isStuck = isIdle && this.#ready.size === 0 && this.#decided.length === 0;
    this.#reportUnresolved(isStuck);
    if (this.#isReading || this.#hasSourceEnded || this.#hasEnded) return undefined;
    if (!this.#isFull) return this.#read();
    if (!isStuck) return undefined;
    if (this.#workflow.decideCycles()) return Promise.resolve();
    this.#onError(new Error(this.#describeStuck()));
    return undefined;
  }

  /** Ends the workflow, except for retries. Returns the positions of the tasks that never ran. */
  end(): number[] {
    if (this.#hasEnded) return [];
    this.#hasEnded = true;
    const { graph } = this.#workflow;
    const started = new Set([...this.#started.values()].map(({ node }) => node));
    const positions = this.#decided.slice(this.#firstDecided).map((node) => graph.positionOf(node < 0 ? ~node : node));
    for (let node = this.#seenIds; node < graph.size; node++) {
      if (this.#workflow.isOpen(node) && !started.has(node)) positions.push(graph.positionOf(node));
    }
    return positions;
  }

  /** @param isStuck True if no task can start before another is read. */
  #reportUnresolved(isStuck: boolean): void {
    const unresolved = this.#kept + (isStuck ? this.#waiting : 0);
    if (unresolved === this.#unresolved) return;
    this.#unresolved = unresolved;
    this.#onUnresolved?.(unresolved);
  }

  get #isFull(): boolean {
    return this.#waiting >= this.#maxTasks || this.#held.heldBytes >= this.#settings.maxWaiting.bytes;
  }

  /** Never rejects. */
  async #read(): Promise<void> {
    this.#isReading = true;
    try {
      const untilMs = performance.now() + READ_MS;
      while (!this.#isFull && performance.now() < untilMs) {
        const { done, value } = await this.#source.next();
        if (this.#hasEnded) break; // the run has ended during the read
        if (done) {
          this.#endSource();
          break;
        }
        this.add(checkTask(value, { number: this.#sequence + 1 }));
        // The source may take long to yield the next task.
        if (this.#decided.length > 0 || !this.#isReadFirst && this.#ready.size > 0) break;
      }
    } catch (error) {
      // Releasing a source may make a pending read fail.
      if (!this.#hasEnded) this.#onError(error);
    }
    this.#isReading = false;
  }

  /**
   * Adds the next task of the source.
   *
   * @throws {InvalidTaskError} when the task can never start, or an id that `after` names is not unique.
   */
  add(task: CheckedTask): void {
    const position = ++this.#sequence;
    const demand = this.#resources.demandOf(task, this.#maxSlots(), position);
    const node = this.#workflow.declare(task, position);
    if (demand !== ONE_SLOT) this.#demands.set(node, demand);
    if (task.priority) this.#priorities.set(node, task.priority);
    this.#held.hold(node, task);
    this.#waiting++;
    this.#workflow.link(node, task);
  }

  #endSource(): void {
    this.#hasSourceEnded = true;
    this.#workflow.finish();
    const { estimateMs } = this.#settings;
    if (!estimateMs) return;
    this.#times = expectedTimes(this.#workflow, estimateMs);
    this.#ready.reorder();
  }

  /** Returns whether one ready task starts before another: for retries, priority, expected time, and order of the input. */
  #precedes(one: number, other: number): boolean {
    if (this.#retries.size > 0 && this.#retries.has(one) !== this.#retries.has(other)) return this.#retries.has(one);
    if (this.#priorities.size > 0) {
      const difference = (this.#priorities.get(one) ?? 0) - (this.#priorities.get(other) ?? 0);
      if (difference !== 0) return difference > 0;
    }
    const [time, otherTime] = [this.#timeOf(one), this.#timeOf(other)];
    return time === otherTime ? this.#positionOf(one) < this.#positionOf(other) : time > otherTime;
  }

  #timeOf(node: number): number {
    return this.#times?.[node] ?? 0;
  }

  #positionOf(node: number): number {
    return node < 0 ? -node : this.#workflow.graph.positionOf(node);
  }

  #demandOf(node: number): Demand {
    return this.#demands.get(node) ?? ONE_SLOT;
  }

  /** Returns the state of a task that has started before the workflow began. */
  #adopt(job: Job): Started {
    const started: Started = { node: -job.sequence, demand: ONE_SLOT };
    this.#started.set(job, started);
    return started;
  }

  /** Creates the job of a held task. Ends the run, and returns `undefined`, when the task cannot be read. */
  #restore(node: number): Job | undefined {
    try {
      return jobOf(this.#held.take(node), this.#workflow.graph.positionOf(node));
    } catch (error) {
      this.#onError(error);
      return undefined;
    }
  }

  #describeStuck(): string {
    const { maxWaiting: { tasks, bytes } } = this.#settings;
    const limit = this.#waiting >= this.#maxTasks ? `${tasks} tasks` : `tasks of ${bytes} bytes`;
    return `Cannot read further tasks: ${limit} wait for tasks that have not been read, such as ${
      excerpt(this.#workflow.firstUnread())
    }; put those first, or raise maxWaiting (--max-waiting)`;
  }
}

/** Returns, by node, the expected time until the last dependent has ended. */
function expectedTimes({ graph }: Workflow, estimateMs: (id: string) => number | undefined): Float64Array {
  const durations = new Float64Array(graph.size);
  const known: number[] = [];
  for (let node = 0; node < graph.size; node++) {
    const isTask = graph.positionOf(node) !== 0 && graph.hasId(node);
    const ms = isTask ? estimateMs(graph.idOf(node)) : undefined;
    durations[node] = typeof ms === "number" && ms >= 0 ? ms : NaN;
    if (!Number.isNaN(durations[node])) known.push(durations[node]!);
  }
  const average = known.length === 0 ? 0 : known.reduce((sum, ms) => sum + ms, 0) / known.length;
  return remainingTimes(graph, (node) => Number.isNaN(durations[node]!) ? average : durations[node]!);
}
