/**
 * Decides the tasks of a workflow from scratch, by the documented rules and without efficient data structures, to check the
 * decisions of the pool.
 *
 * @module
 */

import type { Outcome, Task } from "../../mod.ts";

/** The facts that decide tasks. */
export interface WorkflowFacts {
  /** The tasks that have been read, in the order of the input. */
  readonly tasks: readonly Task[];
  /** True when the input has no further task. */
  readonly isComplete: boolean;
  /** Returns the final outcome of a task that ran in this run, by its index. */
  readonly outcomeOf: (index: number) => Outcome | undefined;
  /** Returns the outcome of an earlier run. */
  readonly recordedOf: (id: string) => Outcome | undefined;
  /** The groups of tasks that have been decided because they wait for each other. */
  readonly decidedCycles: readonly number[][];
}

/** The decision about a task. */
export type Fate =
  | { kind: "undecided" | "run" }
  /** The recorded result stays. */
  | { kind: "kept"; outcome: Outcome; error?: string }
  /** The error of the result; of a cycle, its beginning. */
  | { kind: "skipped"; error: string };

/** The end of a prerequisite; `undefined` while it has not ended. */
type End = { outcome: Outcome | "missing"; isNew: boolean; reason: string } | undefined;

export class WorkflowOracle {
  readonly #facts: WorkflowFacts;
  readonly #fates = new Map<number, Fate>();
  readonly #indexes = new Map<string, number>();
  #undecidedCycles: number[][] | undefined;

  constructor(facts: WorkflowFacts) {
    this.#facts = facts;
    facts.tasks.forEach(({ id }, index) => {
      if (id !== undefined && !this.#indexes.has(String(id))) this.#indexes.set(String(id), index);
    });
  }

  /** Returns the decision about a task. */
  fateOf(index: number): Fate {
    const known = this.#fates.get(index);
    if (known) return known;
    this.#fates.set(index, { kind: "undecided" }); // for tasks in a cycle
    const fate = this.#decide(index);
    this.#fates.set(index, fate);
    return fate;
  }

  /** The groups of tasks that wait for each other, and have not been decided. */
  get undecidedCycles(): number[][] {
    return this.#undecidedCycles ??= this.cyclesWithout(this.#facts.decidedCycles.flat());
  }

  /** The {@linkcode undecidedCycles} that no further task can join. */
  get completeCycles(): number[][] {
    const { tasks, recordedOf, isComplete } = this.#facts;
    const isUnread = (id: string) => !isComplete && !this.#indexes.has(id) && recordedOf(id) !== "ok";
    return this.undecidedCycles.filter(([index]) =>
      ![index!, ...this.#reachableFrom(index!, [])].some((other) =>
        this.#recorded(other) !== "ok" && prerequisitesOf(tasks[other]!).some(isUnread)
      )
    );
  }

  /** Returns the groups of tasks that wait for each other, in a graph without some tasks. */
  cyclesWithout(leftOut: readonly number[]): number[][] {
    const reached = this.#facts.tasks.map((_, index) => this.#reachableFrom(index, leftOut));
    const cycles: number[][] = [];
    reached.forEach((nodes, index) => {
      if (!nodes.has(index) || cycles.some((cycle) => cycle.includes(index))) return;
      cycles.push([...nodes].filter((other) => reached[other]!.has(index)).sort((one, other) => one - other));
    });
    return cycles;
  }

  #decidedCycleOf(index: number): number[] | undefined {
    return this.#facts.decidedCycles.find((cycle) => cycle.includes(index));
  }

  #recorded(index: number): Outcome | undefined {
    const { id } = this.#facts.tasks[index]!;
    return id === undefined ? undefined : this.#facts.recordedOf(String(id));
  }

  #decide(index: number): Fate {
    const { runIf = "ok" } = this.#facts.tasks[index]!;
    const recorded = this.#recorded(index);
    if (recorded === "ok") return { kind: "kept", outcome: recorded };
    const wasSkipped = recorded === "skipped";
    const skip = (error: string, isKept: boolean): Fate =>
      isKept ? { kind: "kept", outcome: "skipped", error } : { kind: "skipped", error };
    if (this.#decidedCycleOf(index)) return skip("Skipped because of a cycle: ", wasSkipped);
    if (this.undecidedCycles.some((cycle) => cycle.includes(index))) return { kind: "undecided" };
    const ends = prerequisitesOf(this.#facts.tasks[index]!).map((id) => this.#endOf(id));
    if (ends.includes(undefined)) return { kind: "undecided" };
    const known = ends.filter((end) => end !== undefined);
    const isKept = wasSkipped && known.every(({ isNew }) => !isNew);
    const missing = known.find(({ outcome }) => outcome === "missing");
    if (missing) return skip(missing.reason, isKept);
    const wrong = known.find(({ outcome }) => outcome !== "ok");
    if (runIf === "done" || (runIf === "ok") === !wrong) return { kind: "run" };
    if (wrong) return skip(wrong.reason, isKept);
    return skip(`${known[0]!.reason}, and the task runs only if a prerequisite is not ok`, isKept);
  }

  #endOf(id: string): End {
    const { tasks, isComplete, recordedOf, outcomeOf } = this.#facts;
    const name = JSON.stringify(id);
    const because = (outcome: Outcome) => `Skipped because the outcome of ${name} is ${outcome}`;
    const recorded = recordedOf(id);
    if (recorded === "ok") return { outcome: recorded, isNew: false, reason: because(recorded) };
    const index = this.#indexes.get(id);
    if (index === undefined) {
      if (!isComplete) return undefined;
      if (recorded !== undefined) return { outcome: recorded, isNew: false, reason: because(recorded) };
      return { outcome: "missing", isNew: false, reason: `Skipped because no task has the id ${name}` };
    }
    const outcome = outcomeOf(index);
    if (outcome !== undefined) return { outcome, isNew: true, reason: because(outcome) };
    const fate = this.fateOf(index);
    if (fate.kind !== "skipped" && fate.kind !== "kept") return undefined;
    const cycle = this.#decidedCycleOf(index);
    const first = cycle && JSON.stringify(String(tasks[cycle[0]!]!.id));
    const reason = first === undefined ? fate.error! : `Skipped because ${first} is in a cycle`;
    return { outcome: "skipped", isNew: fate.kind === "skipped", reason };
  }

  /** Returns the tasks for which a task waits, directly or through others. */
  #reachableFrom(start: number, leftOut: readonly number[]): Set<number> {
    const reached = new Set<number>();
    const visit = (index: number) => {
      if (this.#recorded(index) === "ok") return;
      for (const id of prerequisitesOf(this.#facts.tasks[index]!)) {
        const next = this.#indexes.get(id);
        if (next === undefined || reached.has(next) || leftOut.includes(next)) continue;
        reached.add(next);
        visit(next);
      }
    };
    if (!leftOut.includes(start)) visit(start);
    return reached;
  }
}

/** Returns the ids of the prerequisites of a task. */
export function prerequisitesOf({ after = [] }: Task): string[] {
  return (typeof after === "object" ? [...after] : [after]).map(String);
}
