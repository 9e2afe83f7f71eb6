import { TaskGraph } from "../../graph/task_graph.ts";
import type { Outcome } from "../../records/result.ts";
import type { CheckedTask } from "../../records/task.ts";
import { printable } from "../../text/excerpt.ts";
import { formatDuration, pluralize } from "../../text/format.ts";
import { truncate } from "../truncate.ts";
import { criticalPath } from "../workflow/critical_path.ts";
import type { ResultGraph } from "../workflow/result_graph.ts";

/** A task in a drawing. */
export interface DrawnTask {
  /** The name of the node, which is safe in all formats. */
  node: string;
  /** The text in the box: the id, and the result. Without control characters. */
  lines: string[];
  outcome: Outcome | undefined;
  /** True if only other tasks name the task. */
  isMissing: boolean;
  /** True for a task of the critical path. */
  isCritical: boolean;
}

/** An arrow from a prerequisite to the task that waits for it. */
export interface DrawnEdge {
  from: string;
  to: string;
  /** The condition of the task, unless that is `ok`. */
  runIf: "failed" | "done" | undefined;
  /** True if the critical path leads along the arrow. */
  isCritical: boolean;
}

/** The tasks of a file and their prerequisites, with the results of a run. */
export class Drawing {
  readonly #graph = new TaskGraph();
  readonly #conditions = new Map<number, DrawnEdge["runIf"]>();
  readonly #results: ResultGraph | undefined;
  /** By node of a critical path: the node before it. */
  readonly #critical = new Map<number, number | undefined>();

  /** @param results The results of the tasks. */
  constructor(results?: ResultGraph) {
    this.#results = results;
  }

  /** The number of tasks, including those that only others name. */
  get size(): number {
    return this.#graph.size;
  }

  /** The number of arrows. */
  get edgeCount(): number {
    return this.#graph.edgeCount;
  }

  /** Adds a task. Returns false, and draws nothing, if there is another task with the id. */
  add({ id, after = [], runIf }: Pick<CheckedTask, "id" | "after" | "runIf">): boolean {
    const node = this.#graph.nodeOf(String(id));
    if (!this.#graph.declare(node, 1)) return false;
    this.#graph.setPrerequisites(node, [...new Set((Array.isArray(after) ? after : [after]).map(String))]);
    if (runIf !== undefined && runIf !== "ok") this.#conditions.set(node, runIf);
    return true;
  }

  /** Yields the tasks, in the order in which they are first named. */
  *tasks(): Generator<DrawnTask, void> {
    this.#findCriticalPath();
    for (let node = 0; node < this.#graph.size; node++) {
      const id = this.#graph.idOf(node);
      const result = this.#results?.find(id) ?? -1;
      const outcome = result === -1 ? undefined : this.#results!.outcomeOf(result);
      const isMissing = this.#graph.positionOf(node) === 0;
      const state = [
        isMissing && "not in the file",
        outcome !== undefined && describe(this.#results!, result, outcome),
      ];
      yield {
        node: `n${node}`,
        lines: [id === "" ? '""' : printable(truncate(id)), state.filter(Boolean).join(": ")].filter((text) =>
          text !== ""
        ),
        outcome,
        isMissing,
        isCritical: this.#critical.has(node),
      };
    }
  }

  /** Yields the arrows, in the order of the tasks that wait. */
  *edges(): Generator<DrawnEdge, void> {
    this.#findCriticalPath();
    for (let node = 0; node < this.#graph.size; node++) {
      const runIf = this.#conditions.get(node);
      for (let index = 0; index < this.#graph.prerequisiteCount(node); index++) {
        const prerequisite = this.#graph.prerequisiteAt(node, index);
        const isCritical = this.#critical.get(node) === prerequisite;
        yield { from: `n${prerequisite}`, to: `n${node}`, runIf, isCritical };
      }
    }
  }

  #findCriticalPath(): void {
    if (!this.#results || this.#critical.size > 0) return;
    let before: number | undefined;
    for (const result of criticalPath(this.#results)) {
      const node = this.#graph.find(this.#results.idOf(result));
      if (node !== -1) this.#critical.set(node, before);
      before = node;
    }
  }
}

function describe(results: ResultGraph, result: number, outcome: Outcome): string {
  const attempts = results.attemptsOf(result);
  if (attempts === 0) return outcome;
  const duration = formatDuration(results.runningMsOf(result));
  return [outcome, duration, attempts > 1 && pluralize(attempts, "attempt")].filter(Boolean).join(", ");
}
