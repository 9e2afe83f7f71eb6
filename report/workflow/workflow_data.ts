/** The sections of a report about prerequisites and resources. @module */

import type { ResultFacts } from "../../results/statistics/results_reader.ts";
import { TopK } from "../../results/statistics/top_k.ts";
import type { CriticalPath, PathLink, ResourceReport, SkippedTasks, WorkflowData } from "../data.ts";
import { truncate } from "../truncate.ts";
import { criticalPath, type LinkTimes, linkTimes } from "./critical_path.ts";
import { ResourceUse } from "./resource_use.ts";
import { ResultGraph } from "./result_graph.ts";
import { skipCauses } from "./skip_causes.ts";

/** Maximum number of links of the critical path to list. */
const MAX_LINKS = 50;
/** Maximum number of causes of skipped tasks to list, and of skipped tasks to name for each. */
const [MAX_CAUSES, MAX_NAMES] = [50, 5];
/** Maximum size of the graph, in bytes: about two million tasks with three prerequisites each. */
const MAX_BYTES = 256 * 1024 * 1024;

/** Collects the prerequisites and the resources of results, in bounded memory. */
export class WorkflowCollector {
  /** `undefined` if there were too many tasks. */
  #graph: ResultGraph | undefined = new ResultGraph();
  #hasPrerequisites = false;
  readonly #resources = new ResourceUse();
  readonly #maxBytes: number;

  /** @param maxBytes maximum size of the graph; a quarter of it while no task has had prerequisites. */
  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Adds a result. */
  add(facts: ResultFacts): void {
    this.#hasPrerequisites ||= facts.after.length > 0;
    this.#resources.add(facts);
    if (!this.#graph) return;
    this.#graph.add(facts);
    const limit = this.#hasPrerequisites ? this.#maxBytes : this.#maxBytes / 4;
    if (this.#graph.heldBytes > limit) this.#graph = undefined;
  }

  /** Returns the sections that have contents. */
  data(startedMs: number, spanMs: number): WorkflowData {
    const graph = this.#hasPrerequisites ? this.#graph : undefined;
    return {
      criticalPath: graph && criticalPathOf(graph, startedMs),
      skipped: graph && skippedTasks(graph),
      isTooLarge: this.#hasPrerequisites && !this.#graph,
      resources: resourcesOf(this.#resources, spanMs),
      omittedResources: this.#resources.omitted,
    };
  }
}

/** Returns the critical path; of a long one the first link, the last and the longest. */
function criticalPathOf(graph: ResultGraph, startedMs: number): CriticalPath | undefined {
  const path = criticalPath(graph);
  if (path.length === 0) return undefined;
  let readyMs = startedMs;
  const times = path.map((node) => {
    const link = linkTimes(graph, node, readyMs);
    readyMs = graph.endOf(node);
    return link;
  });
  const longest = new TopK<number>(MAX_LINKS - 2, (index) => totalOf(times[index]!));
  for (let index = 1; index < path.length - 1; index++) longest.add(index);
  const listed = new Set([0, ...longest.values, path.length - 1]);
  const rows: CriticalPath["rows"] = [];
  path.forEach((node, index) => {
    const link = times[index]!;
    const last = rows.at(-1);
    if (listed.has(index)) rows.push(pathLink(graph, node, link, startedMs));
    else if (last && "omitted" in last) Object.assign(last, { omitted: last.omitted + 1, ...sumOf([last, link]) });
    else rows.push({ omitted: 1, ...link });
  });
  return { tasks: path.length, ...sumOf(times), rows };
}

function pathLink(graph: ResultGraph, node: number, times: LinkTimes, startedMs: number): PathLink {
  return {
    id: truncate(graph.idOf(node)),
    outcome: graph.outcomeOf(node)!,
    attempts: graph.attemptsOf(node),
    startMs: graph.startOf(node) - startedMs,
    ...times,
  };
}

function totalOf({ waitingMs, runningMs, backoffMs }: LinkTimes): number {
  return waitingMs + runningMs + backoffMs;
}

function sumOf(times: readonly LinkTimes[]): LinkTimes {
  const sum = { waitingMs: 0, runningMs: 0, backoffMs: 0 };
  for (const { waitingMs, runningMs, backoffMs } of times) {
    sum.waitingMs += waitingMs;
    sum.runningMs += runningMs;
    sum.backoffMs += backoffMs;
  }
  return sum;
}

function skippedTasks(graph: ResultGraph): SkippedTasks | undefined {
  const causes = skipCauses(graph);
  if (causes.length === 0) return undefined;
  const count = (list: typeof causes) => list.reduce((sum, { skipped }) => sum + skipped.length, 0);
  const others = causes.slice(MAX_CAUSES);
  return {
    tasks: count(causes),
    causes: causes.slice(0, MAX_CAUSES).map(({ node, kind, skipped }) => ({
      id: truncate(graph.idOf(node)),
      kind,
      tasks: skipped.length,
      ids: skipped.slice(0, MAX_NAMES).map((node) => truncate(graph.idOf(node))),
    })),
    omittedCauses: others.length,
    omittedTasks: count(others),
  };
}

function resourcesOf(resources: ResourceUse, spanMs: number): ResourceReport[] {
  return resources.figures.map(({ name, unitMs, peak, series }) => ({
    name: truncate(name),
    mean: spanMs > 0 ? unitMs / spanMs : undefined,
    peak,
    series,
  }));
}
