import { cyclesOf } from "../../graph/cycles.ts";
import { TaskGraph } from "../../graph/task_graph.ts";
import { topologicalOrder } from "../../graph/topological_order.ts";
import type { RecordedOutcomes } from "../../pool/workflow/source_facts.ts";
import { isWorkflowTask } from "../../pool/task_feed.ts";
import type { Outcome } from "../../records/result.ts";
import type { CheckedTask } from "../../records/task.ts";
import { type Span, textOf } from "../../results/span.ts";
import type { TaskScanner } from "../../results/task_scanner.ts";
import { excerpt } from "../../text/excerpt.ts";
import { formatCount, pluralize } from "../../text/format.ts";
import { nearest } from "../../text/nearest.ts";
import { LineSet } from "./line_set.ts";
import { ProblemList } from "./problem_list.ts";

/** The capacity of a run. */
export interface Capacity {
  /** The maximum number of slots that tasks occupy at once. */
  readonly concurrency: number;
  /** The units of each resource. */
  readonly resources: Readonly<Record<string, number>>;
}

/** Options of {@linkcode WorkflowCheck}. */
export interface WorkflowCheckOptions {
  /** The name of the input, which begins each message. */
  readonly name: string;
  readonly capacity: Capacity;
  /** The outcomes of earlier runs. */
  readonly recorded: RecordedOutcomes | undefined;
}

/** The result of a check. */
export interface WorkflowVerdict {
  /** The first problems, described, and the number of the others. */
  readonly messages: readonly string[];
  readonly problems: number;
  /** The lines whose tasks cannot run. */
  readonly refused: LineSet;
  /** The number of tasks whose recorded result stays, although the input yields them: they were skipped, and are again. */
  readonly kept: number;
}

/** Bits of a node: `runIf` in the first two, then the outcome of an earlier run that can change. */
const [RUN_IF_FAILED, RUN_IF_DONE, WAS_SKIPPED, IS_KEPT, REMAINS] = [1, 2, 4, 8, 16] as const;
const MIN_CAPACITY = 64;
/** The number of tasks up to which the check looks for an id like an unknown one. */
const MAX_COMPARED_IDS = 10_000;
/** The number of tasks that the path of a longer cycle names at each end. */
const NAMED_AT_END = 5;

/**
 * Checks the tasks of a file as a whole: that all prerequisites exist, that the tasks do not wait for each other, and that
 * each fits into the run.
 */
export class WorkflowCheck {
  /** True if a task has `after`, `priority`, `uses` or `slots`. */
  isWorkflow = false;
  readonly #graph = new TaskGraph();
  readonly #name: string;
  readonly #capacity: Capacity;
  readonly #recorded: RecordedOutcomes | undefined;
  readonly #problems = new ProblemList();
  /** Second tasks with an id, which only matter if a task has prerequisites. */
  readonly #duplicates: ProblemList = new ProblemList();
  /** The lines of tasks without an id. */
  readonly #unnamed = new LineSet();
  #hasPrerequisites = false;
  /** By node. */
  #flags = new Uint8Array(MIN_CAPACITY);

  constructor({ name, capacity, recorded }: WorkflowCheckOptions) {
    this.#name = name;
    this.#capacity = capacity;
    this.#recorded = recorded;
  }

  /**
   * Adds a task.
   *
   * @param hasResult true if the task does not run, because it has a result.
   */
  add(task: CheckedTask, line: number, hasResult: boolean): void {
    const { id, after, runIf } = task;
    this.isWorkflow ||= isWorkflowTask(task);
    this.#hasPrerequisites ||= after !== undefined;
    const node = id === undefined ? undefined : this.#graph.nodeOf(String(id));
    if (!this.#declare(node, line) || hasResult) return;
    if (node !== undefined) {
      const ids = after === undefined ? [] : Array.isArray(after) ? after : [after];
      this.#addRemaining(node, ids.map((id) => this.#graph.nodeOf(String(id))), runIf);
    }
    if (task.uses !== undefined || task.slots !== undefined) this.#checkCapacity(task, line);
  }

  /** Adds a scanned task, which has neither `uses` nor `slots`. */
  addScanned(bytes: Uint8Array, scanner: TaskScanner, line: number, hasResult: boolean): void {
    const { hasId, hasPrerequisites, runIf } = scanner;
    this.isWorkflow ||= scanner.isWorkflow;
    this.#hasPrerequisites ||= hasPrerequisites;
    const node = hasId ? this.#nodeOfSpan(bytes, scanner.id) : undefined;
    if (!this.#declare(node, line) || hasResult || node === undefined) return;
    const prerequisites: number[] = [];
    scanner.forEachPrerequisite(bytes, (id) => prerequisites.push(this.#nodeOfSpan(bytes, id)));
    this.#addRemaining(node, prerequisites, runIf);
  }

  /** Checks the tasks as a whole, after the last one. */
  finish(): WorkflowVerdict {
    const problems = this.#problems;
    if (this.#hasPrerequisites) {
      problems.addAll(this.#duplicates);
      this.#findCycles();
      this.#findUnknownIds();
    }
    const kept = this.#recorded ? this.#countKept(this.#recorded) : 0;
    return { messages: problems.messages(), problems: problems.count, refused: problems.lines, kept };
  }

  #nodeOfSpan(bytes: Uint8Array, span: Span): number {
    if (span.isEscaped) return this.#graph.nodeOf(textOf(bytes, span));
    return this.#graph.nodeOfBytes(bytes, span.begin, span.end);
  }

  /** Notes the task of a line. Returns false for a second task with an id. */
  #declare(node: number | undefined, line: number): boolean {
    if (node === undefined) this.#unnamed.add(line);
    else if (!this.#graph.declare(node, line)) {
      const first = this.#graph.positionOf(node);
      this.#duplicates.addForLine(line, () => {
        return this.#describe(line, `${quoted(this.#graph.idOf(node))} is also the id of line ${first}`);
      });
      return false;
    }
    return true;
  }

  #addRemaining(node: number, prerequisites: readonly number[], runIf: CheckedTask["runIf"]): void {
    const wasSkipped = this.#recorded?.outcomeOf(this.#graph.idOf(node)) === "skipped";
    if (prerequisites.length > 0) this.#graph.setPrerequisiteNodes(node, prerequisites);
    while (this.#graph.size > this.#flags.length) {
      this.#flags = new Uint8Array(this.#flags.buffer.transfer(2 * this.#flags.length));
    }
    const condition = runIf === "failed" ? RUN_IF_FAILED : runIf === "done" ? RUN_IF_DONE : 0;
    this.#flags[node] = REMAINS | condition | (wasSkipped ? WAS_SKIPPED : 0);
  }

  #checkCapacity({ id, uses = {}, slots = 1 }: CheckedTask, line: number): void {
    const { concurrency, resources } = this.#capacity;
    const subject = id === undefined ? "the task" : quoted(id);
    const refuse = (problem: string) => {
      this.#problems.addForLine(line, () => this.#describe(line, `${subject} can never start: ${problem}`));
    };
    if (slots > concurrency) {
      refuse(`the task needs ${formatCount(slots)} slots, but the run has ${formatCount(concurrency)}; raise --jobs`);
    }
    for (const [name, units] of Object.entries(uses)) {
      if (!Object.hasOwn(resources, name)) {
        const near = nearest(name, Object.keys(resources));
        const remedy = near === undefined ? `give --resource ${name}=N` : `did you mean ${quoted(near)}?`;
        refuse(`the run has no resource ${quoted(name)}${near === undefined ? "; " : ", "}${remedy}`);
      } else if (units > resources[name]!) {
        const all = `${formatCount(resources[name]!)}; raise --resource ${name}=N`;
        refuse(`the task uses ${formatCount(units)} of the resource ${quoted(name)}, but the run has ${all}`);
      }
    }
  }

  #findCycles(): void {
    const graph = this.#graph;
    for (const { members, path } of cyclesOf(graph)) {
      for (const member of members) this.#problems.lines.add(graph.positionOf(member));
      const line = graph.positionOf(path[0]!);
      this.#problems.add(line, () => {
        return this.#describe(line, `${quoted(graph.idOf(path[0]!))} can never start: ${this.#describePath(path)}`);
      });
    }
  }

  /** Returns a cycle as `"a" after "c" (line 3) after "b" (line 2) after "a"`. */
  #describePath(path: readonly number[]): string {
    const graph = this.#graph;
    const [first, ...others] = path;
    const named = others.map((node) => `${quoted(graph.idOf(node))} (line ${graph.positionOf(node)})`);
    const left = named.length - 2 * NAMED_AT_END;
    if (left > 1) named.splice(NAMED_AT_END, left, `${pluralize(left, "other task")}`);
    const end = quoted(graph.idOf(first!));
    return [end, ...named, end].join(" after ");
  }

  #findUnknownIds(): void {
    const graph = this.#graph;
    for (let node = 0; node < graph.size; node++) {
      if (graph.positionOf(node) !== 0 || this.#recorded?.outcomeOf(graph.idOf(node)) !== undefined) continue;
      graph.forEachDependent(node, (dependent) => {
        const line = graph.positionOf(dependent);
        this.#problems.addForLine(line, () => {
          return this.#describe(
            line,
            `${quoted(graph.idOf(dependent))} can never start: ${this.#describeUnknown(node, dependent)}`,
          );
        });
      });
    }
  }

  #describeUnknown(node: number, dependent: number): string {
    const id = this.#graph.idOf(node);
    if (/^[1-9]\d{0,9}$/.test(id) && this.#unnamed.has(Number(id))) {
      return `line ${id} has no "id", which "after" needs; give the task an "id"`;
    }
    const near = this.#graph.size <= MAX_COMPARED_IDS ? nearest(id, this.#idsWithout(dependent)) : undefined;
    const known = this.#recorded ? "no task and no result has" : "no task has";
    return `${known} the id ${quoted(id)}${near === undefined ? "" : `, did you mean ${quoted(near)}?`}`;
  }

  /** Returns the ids of all other tasks. */
  #idsWithout(task: number): string[] {
    const ids: string[] = [];
    for (let node = 0; node < this.#graph.size; node++) {
      if (node !== task && this.#graph.positionOf(node) !== 0) ids.push(this.#graph.idOf(node));
    }
    return ids;
  }

  /**
   * Counts the tasks that were skipped and are skipped again, because no prerequisite runs. The scheduler keeps their
   * results.
   */
  #countKept(recorded: RecordedOutcomes): number {
    const graph = this.#graph;
    let kept = 0;
    for (const node of topologicalOrder(graph)) {
      const flags = this.#flags[node]!;
      if ((flags & WAS_SKIPPED) === 0 || this.#problems.lines.has(graph.positionOf(node))) continue;
      if (!this.#isSkippedAgain(node, recorded)) continue;
      this.#flags[node] = flags | IS_KEPT;
      kept++;
    }
    return kept;
  }

  #isSkippedAgain(node: number, recorded: RecordedOutcomes): boolean {
    let isAllOk = true;
    for (let index = 0; index < this.#graph.prerequisiteCount(node); index++) {
      const outcome = this.#finalOutcome(this.#graph.prerequisiteAt(node, index), recorded);
      if (outcome === undefined) return false;
      if (outcome !== "ok") isAllOk = false;
    }
    const flags = this.#flags[node]!;
    if ((flags & RUN_IF_DONE) !== 0) return false;
    return isAllOk === ((flags & RUN_IF_FAILED) !== 0);
  }

  /** Returns the outcome of a prerequisite that has its final result already; `undefined` for any other. */
  #finalOutcome(node: number, recorded: RecordedOutcomes): Outcome | undefined {
    const flags = this.#flags[node]!;
    const changes = (flags & REMAINS) !== 0 && (flags & IS_KEPT) === 0;
    return changes ? undefined : recorded.outcomeOf(this.#graph.idOf(node));
  }

  #describe(line: number, problem: string): string {
    return `${this.#name}:${line}: ${problem}`;
  }
}

function quoted(id: string | number): string {
  return excerpt(String(id));
}
