import { cyclesOf } from "../../graph/cycles.ts";
import { enlarged } from "../../graph/id_table.ts";
import { TaskGraph } from "../../graph/task_graph.ts";
import { InvalidTaskError } from "../../records/invalid_task_error.ts";
import { type Outcome, OUTCOMES } from "../../records/result.ts";
import type { CheckedTask, TaskId } from "../../records/task.ts";
import { excerpt } from "../../text/excerpt.ts";
import type { SeenTasks } from "./seen_tasks.ts";
import type { RecordedOutcomes } from "./source_facts.ts";

/** Receives the decisions of a {@linkcode Workflow}, each exactly once for each task. */
export interface WorkflowDecisions {
  /** The task can start. */
  ready(node: number): void;
  /** The task does not run, and has a new result. */
  skipped(node: number): void;
  /** The task does not run, and its recorded result stays. */
  kept(node: number): void;
}

/** States of a node below the outcomes: state minus `FIRST_OUTCOME` is an index in `OUTCOMES`. */
const [UNDECIDED, READY, MISSING, FIRST_OUTCOME] = [0, 1, 2, 3] as const;
const SKIPPED = stateOf("skipped");
const OK = stateOf("ok");

/** Flags of a node. The first three are about its prerequisites. */
const [HAS_NOT_OK, HAS_MISSING, HAS_NEW, IS_RECORDED, IS_IN_CYCLE, IS_AMBIGUOUS] = [1, 2, 4, 8, 16, 32] as const;
const CONDITIONS = ["ok", "failed", "done"] as const satisfies CheckedTask["runIf"][];
const CONDITION_SHIFT = 6;

/** The number of ids of a cycle that a message names. */
const MAX_NAMED_IDS = 8;
const MIN_CAPACITY = 64;

/** Decides which tasks run, by the outcomes of their prerequisites. Decides a task when all its prerequisites have ended. */
export class Workflow {
  readonly graph: TaskGraph;
  /** True if the prerequisites of a task cannot all end: an id is missing, or there is a cycle. */
  hasInvalidPrerequisites = false;
  readonly #decisions: WorkflowDecisions;
  readonly #recorded: RecordedOutcomes | undefined;
  #states = new Uint8Array(MIN_CAPACITY);
  #flags = new Uint8Array(MIN_CAPACITY);
  /** By node: the number of prerequisites that have not ended. */
  #waitsFor = new Uint32Array(MIN_CAPACITY);
  /** By node: the node that caused a skip. */
  #causes = new Uint32Array(MIN_CAPACITY);
  /** By first member: the texts of cycles. */
  readonly #cycles = new Map<number, string>();

  /**
   * @param seen The tasks before the first one of the workflow.
   * @param recorded The outcomes of earlier runs.
   */
  constructor(seen: SeenTasks | undefined, recorded: RecordedOutcomes | undefined, decisions: WorkflowDecisions) {
    this.graph = new TaskGraph(seen?.ids);
    this.#recorded = recorded;
    this.#decisions = decisions;
    this.#enlarge();
    for (let node = 0; seen && node < seen.ids.size; node++) {
      this.graph.declare(node, node + 1);
      const outcome = seen.outcomeAt(node);
      this.#states[node] = outcome === undefined ? READY : stateOf(outcome);
      if (seen.isAmbiguous(node)) this.#flags[node] = IS_AMBIGUOUS;
    }
  }

  /**
   * Adds a task, and returns its node.
   *
   * @throws {InvalidTaskError} when a prerequisite of a task is the id of several tasks.
   */
  declare({ id, runIf = "ok" }: CheckedTask, position: number): number {
    const { graph } = this;
    let node = id === undefined ? graph.addWithoutId(position) : graph.nodeOf(String(id));
    if (id !== undefined && !graph.declare(node, position)) {
      if (graph.hasDependents(node)) throw ambiguous(id, position);
      this.#flags[node]! |= IS_AMBIGUOUS;
      node = graph.addWithoutId(position);
    }
    this.#enlarge();
    this.#flags[node]! |= CONDITIONS.indexOf(runIf) << CONDITION_SHIFT;
    return node;
  }

  /**
   * Adds the prerequisites of a task, and decides the task if all have ended. Must be called once for each task.
   *
   * @throws {InvalidTaskError} when a prerequisite is the id of several tasks.
   */
  link(node: number, { id, after }: CheckedTask): void {
    const recorded = id === undefined ? undefined : this.#recorded?.outcomeOf(String(id));
    if (recorded === "ok") {
      this.#settleRecorded(node, OK); // dependents may have counted the outcome already
      return this.#decisions.kept(node);
    }
    if (recorded === "skipped") this.#flags[node]! |= IS_RECORDED;
    if (after !== undefined) this.#setPrerequisites(node, Array.isArray(after) ? after : [after]);
    if (this.#waitsFor[node] === 0 && this.#decide(node)) this.#propagate(node);
  }

  /** Notes the final outcome of a task that has run. */
  end(node: number, outcome: Outcome): void {
    this.#settle(node, stateOf(outcome));
  }

  /** Decides all tasks that wait for missing tasks or for each other. Must be called after the last task. */
  finish(): void {
    const { graph } = this;
    for (let node = 0; node < graph.size; node++) {
      if (!this.#isUnread(node)) continue;
      const outcome = this.#recordedOutcome(node);
      if (outcome !== undefined) this.#settleRecorded(node, stateOf(outcome));
      else this.#settle(node, MISSING);
    }
    this.decideCycles();
  }

  /**
   * Decides the tasks that wait for each other, and for no task that has not been read: that task could be in the cycle.
   * Returns whether there are such tasks, besides those decided before.
   */
  decideCycles(): boolean {
    const { graph } = this;
    if (graph.edgeCount === 0) return false;
    const isIncomplete = this.#findIncomplete();
    let hasDecided = false;
    for (
      const { members, path } of cyclesOf(graph, (node) => this.#states[node] !== UNDECIDED || isIncomplete[node] === 1)
    ) {
      hasDecided = true;
      this.hasInvalidPrerequisites = true;
      this.#cycles.set(members[0]!, describeCycle(graph, path));
      for (const member of members) {
        this.#flags[member]! |= IS_IN_CYCLE;
        this.#causes[member] = members[0]!;
        this.#skip(member, this.#isRecorded(member));
      }
      for (const member of members) this.#propagate(member);
    }
    return hasDecided;
  }

  /** Returns, by node, 1 for ids that have not been read and for the tasks that wait for them, directly or through others. */
  #findIncomplete(): Uint8Array {
    const { graph } = this;
    const isIncomplete = new Uint8Array(graph.size);
    const found: number[] = [];
    const add = (node: number) => {
      if (isIncomplete[node] === 1) return;
      isIncomplete[node] = 1;
      found.push(node);
    };
    for (let node = 0; node < graph.size; node++) if (this.#isUnread(node)) add(node);
    for (const node of found) graph.forEachDependent(node, add);
    return isIncomplete;
  }

  /** Returns whether an id has been named as a prerequisite, and has neither a task nor an outcome. */
  #isUnread(node: number): boolean {
    return this.graph.positionOf(node) === 0 && this.#states[node] === UNDECIDED;
  }

  /** Returns whether a task has been read, and has no outcome. */
  isOpen(node: number): boolean {
    return this.graph.positionOf(node) !== 0 && !this.#hasEnded(node);
  }

  /** Explains why a task was skipped. */
  explain(node: number): string {
    const { graph } = this;
    const cause = this.#causes[node]!;
    const name = excerpt(graph.idOf(cause));
    if ((this.#flags[node]! & IS_IN_CYCLE) !== 0) return `Skipped because of a cycle: ${this.#cycles.get(cause)!}`;
    if ((this.#flags[cause]! & IS_IN_CYCLE) !== 0) return `Skipped because ${name} is in a cycle`;
    if (this.#states[cause] === MISSING) return `Skipped because no task has the id ${name}`;
    const outcome = OUTCOMES[this.#states[cause]! - FIRST_OUTCOME]!;
    const rule = outcome === "ok" ? ", and the task runs only if a prerequisite is not ok" : "";
    return `Skipped because the outcome of ${name} is ${outcome}${rule}`;
  }

  /** Returns the first prerequisite, in the order of the tasks, that has not been read and for which a task waits. */
  firstUnread(): string | undefined {
    const { graph } = this;
    for (let node = 0; node < graph.size; node++) {
      if (this.#isUnread(node)) return graph.idOf(node);
    }
    return undefined;
  }

  #setPrerequisites(node: number, ids: readonly TaskId[]): void {
    const { graph } = this;
    graph.setPrerequisites(node, ids);
    this.#enlarge();
    let waitsFor = 0;
    for (let index = 0; index < ids.length; index++) {
      const prerequisite = graph.prerequisiteAt(node, index);
      if ((this.#flags[prerequisite]! & IS_AMBIGUOUS) !== 0) {
        const problem = `"after" names ${excerpt(ids[index])}, which is the id of several tasks`;
        throw new InvalidTaskError(problem, { number: graph.positionOf(node), field: "after" });
      }
      // With another recorded outcome, the task may still be read, and run again.
      if (this.#isUnread(prerequisite) && this.#recordedOutcome(prerequisite) === "ok") {
        this.#settleRecorded(prerequisite, OK);
      }
      if (this.#hasEnded(prerequisite)) this.#flags[node]! |= this.#effectOf(prerequisite);
      else waitsFor++;
    }
    this.#waitsFor[node] = waitsFor;
  }

  #recordedOutcome(node: number): Outcome | undefined {
    return this.#recorded?.outcomeOf(this.graph.idOf(node));
  }

  #isRecorded(node: number): boolean {
    return (this.#flags[node]! & IS_RECORDED) !== 0;
  }

  #hasEnded(node: number): boolean {
    return this.#states[node]! > READY;
  }

  /** Returns the flags that the state of a prerequisite gives to a dependent. */
  #effectOf(prerequisite: number): number {
    const state = this.#states[prerequisite]!;
    const isNew = state === MISSING || this.#isRecorded(prerequisite) ? 0 : HAS_NEW;
    return isNew | (state === OK ? 0 : HAS_NOT_OK) | (state === MISSING ? HAS_MISSING : 0);
  }

  #settleRecorded(node: number, state: number): void {
    this.#flags[node]! |= IS_RECORDED;
    this.#causes[node] = node;
    this.#settle(node, state);
  }

  #settle(node: number, state: number): void {
    if (this.#hasEnded(node)) return;
    this.#states[node] = state;
    this.#propagate(node);
  }

  /** Decides the tasks that waited for an ended one, and those that waited for a task that is skipped in turn. */
  #propagate(node: number): void {
    const ended = [node];
    for (const prerequisite of ended) {
      const effect = this.#effectOf(prerequisite);
      this.graph.forEachDependent(prerequisite, (dependent) => {
        this.#flags[dependent]! |= effect;
        if (--this.#waitsFor[dependent]! === 0 && this.#decide(dependent)) ended.push(dependent);
      });
    }
  }

  /** Decides a task. Returns true if the task has ended, because it is not run. */
  #decide(node: number): boolean {
    if (this.#states[node] !== UNDECIDED) return false; // a member of a cycle
    const flags = this.#flags[node]!;
    const condition = CONDITIONS[flags >> CONDITION_SHIFT]!;
    const hasNotOk = (flags & HAS_NOT_OK) !== 0;
    const isRun = condition === "done" || hasNotOk === (condition === "failed");
    if (isRun && (flags & HAS_MISSING) === 0) {
      this.#states[node] = READY;
      this.#flags[node]! &= ~IS_RECORDED;
      this.#decisions.ready(node);
      return false;
    }
    this.#causes[node] = this.#causeOf(node);
    this.#skip(node, this.#isRecorded(node) && (flags & HAS_NEW) === 0);
    return true;
  }

  #skip(node: number, isKept: boolean): void {
    this.#states[node] = SKIPPED;
    if (isKept) return this.#decisions.kept(node);
    this.#flags[node]! &= ~IS_RECORDED;
    if ((this.#flags[node]! & HAS_MISSING) !== 0) this.hasInvalidPrerequisites = true;
    this.#decisions.skipped(node);
  }

  /** Returns the first task, in the order of the prerequisites, that caused a skip: the root, if a prerequisite was skipped. */
  #causeOf(node: number): number {
    const { graph } = this;
    const wants = (this.#flags[node]! & HAS_MISSING) !== 0 ? MISSING : undefined;
    for (let index = 0; index < graph.prerequisiteCount(node); index++) {
      const prerequisite = graph.prerequisiteAt(node, index);
      const state = this.#states[prerequisite]!;
      if (wants === undefined ? state === OK : state !== wants) continue;
      return state === SKIPPED ? this.#causes[prerequisite]! : prerequisite;
    }
    return graph.prerequisiteAt(node, 0); // all are ok
  }

  #enlarge(): void {
    while (this.graph.size > this.#states.length) {
      this.#states = new Uint8Array(enlarged(this.#states));
      this.#flags = new Uint8Array(enlarged(this.#flags));
      this.#waitsFor = new Uint32Array(enlarged(this.#waitsFor));
      this.#causes = new Uint32Array(enlarged(this.#causes));
    }
  }
}

function stateOf(outcome: Outcome): number {
  return FIRST_OUTCOME + OUTCOMES.indexOf(outcome);
}

function ambiguous(id: TaskId, position: number): InvalidTaskError {
  const problem = `the id ${excerpt(id)} is also the id of an earlier task, and "after" of another task names it`;
  return new InvalidTaskError(problem, { number: position, field: "id" });
}

/** Returns the ids of a cycle, such as `"a" after "b" after "a"`. */
function describeCycle(graph: TaskGraph, path: readonly number[]): string {
  const ids = [...path, path[0]!].map((node) => excerpt(graph.idOf(node)));
  if (ids.length > MAX_NAMED_IDS) ids.splice(MAX_NAMED_IDS - 1, ids.length - MAX_NAMED_IDS, "…");
  return ids.join(" after ");
}
