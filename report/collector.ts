/** Collects the data of a report from results, in bounded memory. @module */

import { Buffer } from "node:buffer";
import { isFailure, OUTCOMES, type TaskResult } from "../records/result.ts";
import type { AttemptFacts, ResultFacts } from "../results/statistics/results_reader.ts";
import { RunStatistics } from "../results/statistics/run_statistics.ts";
import { type Place, slotKey } from "../results/statistics/slots.ts";
import { TopK } from "../results/statistics/top_k.ts";
import { commandText } from "../text/shell_quote.ts";
import type { ReportData, ReportOverview, ReportProgress, ReportTask, Rows } from "./data.ts";
import { Lanes } from "./lanes.ts";
import { truncate } from "./truncate.ts";
import { WorkflowCollector } from "./workflow/workflow_data.ts";

const MAX_SLOWEST = 50;
const MAX_RETRIED = 50;
const MAX_FAILURES = 100;
/** The length to which a task's standard error is truncated. */
const STDERR_CHARACTERS = 2_000;
const ERROR_CHARACTERS = 500;
const COMMAND_CHARACTERS = 1_000;

type Detail = ResultFacts & Pick<ReportTask, "command" | "stderrEnd">;

/** Collects results and returns the report of those collected so far. */
export class ReportCollector {
  readonly #statistics = new RunStatistics();
  readonly #lanes = new Lanes();
  readonly #workflow = new WorkflowCollector();
  readonly #slowest = new TopK<ResultFacts>(MAX_SLOWEST, ({ durationMs }) => durationMs);
  readonly #mostRetried = new TopK<ResultFacts>(MAX_RETRIED, ({ attempts }) => attempts);
  readonly #failures: Detail[] = [];
  /**
   * Separate from the failures, which thousands of tasks that an interrupted run canceled would otherwise crowd out.
   */
  readonly #canceled: Detail[] = [];
  #rows: ResultFacts[] = [];
  /** Number of attempts of the rows. */
  #rowAttempts = 0;
  readonly #maxRows: number;
  /** Every nth result has a row. */
  #stride = 1;

  /** @param maxRows Maximum number of attempts to keep individually. */
  constructor(maxRows = 200_000) {
    this.#maxRows = maxRows;
  }

  /** The number of results. */
  get results(): number {
    return this.#statistics.results;
  }

  /**
   * Adds a result.
   *
   * @param result Returns the complete result. Called only if the report shows more of it than the facts.
   */
  add(facts: ResultFacts, result: () => TaskResult): void {
    const isRow = this.#statistics.results % this.#stride === 0;
    this.#statistics.add(facts);
    this.#workflow.add(facts);
    if (facts.outcome === "skipped") return this.#addRow(facts, isRow);
    for (const attempt of facts.earlierAttempts) this.#lanes.add(attempt);
    this.#lanes.add(facts);
    this.#slowest.add(facts);
    if (facts.attempts > 1) this.#mostRetried.add(facts);
    if (facts.outcome !== "ok") {
      const list = isFailure(facts.outcome) ? this.#failures : this.#canceled;
      if (list.length < MAX_FAILURES) list.push({ ...facts, ...detailsOf(result()) });
    }
    this.#addRow(facts, isRow);
  }

  #addRow(facts: ResultFacts, isRow: boolean): void {
    if (!isRow) return;
    // The prerequisites are in the graph, which takes less memory.
    this.#rows.push(facts.after.length > 0 ? { ...facts, after: [] } : facts);
    this.#rowAttempts += attemptsOf(facts);
    while (this.#rowAttempts > this.#maxRows && this.downsample());
  }

  /** The ids of the tasks that the report shows with their commands. */
  get idsWithCommands(): readonly string[] {
    return [...this.#failures, ...this.#canceled].map(({ id }) => id);
  }

  /** Adds commands to the tasks whose results have none. */
  addCommands(commandOf: (id: string) => TaskResult["cmd"]): void {
    for (const detail of [...this.#failures, ...this.#canceled]) detail.command ??= shownCommand(commandOf(detail.id));
  }

  /** Drops every second row. Returns whether rows are left to drop. */
  downsample(): boolean {
    this.#rows = this.#rows.filter((_, index) => index % 2 === 0);
    this.#rowAttempts = this.#rows.reduce((sum, facts) => sum + attemptsOf(facts), 0);
    this.#stride *= 2;
    return this.#rows.length > 1;
  }

  /** Returns the overview of a run that has results. */
  overview(name: string): ReportOverview {
    const { figures, cpuTimes } = this.#statistics;
    return { name, figures: figures!, cpuStepMs: cpuTimes.stepMs };
  }

  /** Returns the report of a run that has results. */
  data(name: string, progress?: ReportProgress): ReportData {
    const { durations, cpuTimes, busy, ended, notOk } = this.#statistics;
    const overview = this.overview(name);
    const startedMs = Date.parse(overview.figures.startedAt);
    const { names, positions } = this.#lanes;
    const laneOf = (place: Place) => positions.get(slotKey(place)) ?? names.length;
    const tasks = (details: readonly Detail[]) =>
      details.map((detail) => reportTask(detail, startedMs, this.#lanes.nameOf(detail)));
    return {
      ...overview,
      startedMs,
      durations: durations.bars,
      cpuTimes: cpuTimes.bars,
      busy,
      ended,
      notOk,
      outcomes: OUTCOMES,
      lanes: names,
      omittedLanes: this.#lanes.omitted,
      rows: columns(this.#rows, startedMs, laneOf),
      earlierRows: columns(this.#rows.flatMap(earlierRows), startedMs, laneOf),
      laneUtilization: this.#stride === 1 || names.length === 0 ? undefined : this.#lanes.utilization,
      slowest: tasks(this.#slowest.values),
      mostRetried: tasks(this.#mostRetried.values),
      workflow: this.#workflow.data(startedMs, overview.figures.spanMs),
      failures: tasks([...this.#failures, ...this.#canceled].slice(0, MAX_FAILURES)),
      progress,
    };
  }
}

function reportTask(detail: Detail, runStartedMs: number, lane: string): ReportTask {
  const { id, status, outcome, signal, error, attempts, startedMs, durationMs, cpuMs, command, stderrEnd } = detail;
  return {
    id: truncate(id),
    status,
    outcome,
    signal: signal && truncate(signal),
    error: error && truncate(error, ERROR_CHARACTERS),
    attempts,
    lane,
    startMs: startedMs - runStartedMs,
    durationMs,
    cpuMs,
    command,
    stderrEnd,
  };
}

/** A result or an earlier attempt. */
type Row = AttemptFacts & Pick<ResultFacts, "id" | "attempts">;

/** Returns the number of attempts that a result lists. */
function attemptsOf({ earlierAttempts }: ResultFacts): number {
  return earlierAttempts.length + 1;
}

/** Returns the earlier attempts of a result, each with its number as `attempts`. */
function earlierRows({ id, attempts, earlierAttempts }: ResultFacts): Row[] {
  const first = attempts - earlierAttempts.length;
  return earlierAttempts.map((attempt, index) => ({ ...attempt, id, attempts: first + index }));
}

function columns(rows: readonly Row[], startedMs: number, laneOf: (place: Place) => number): Rows {
  return {
    ids: rows.map(({ id }) => truncate(id)),
    startDeltas: rows.map((row, index) => row.startedMs - (rows[index - 1]?.startedMs ?? startedMs)),
    durations: rows.map(({ durationMs }) => toThreeDigits(durationMs * 1000)),
    lanes: rows.map(laneOf),
    outcomes: rows.map(({ outcome }) => OUTCOMES.indexOf(outcome)),
    statuses: rows.map(({ status }) => status),
    attempts: rows.map(({ attempts }) => attempts),
    cpuTimes: rows.map(({ cpuMs }) => cpuMs === undefined ? -1 : toThreeDigits(cpuMs * 1000)),
  };
}

/** Rounds to three significant digits; more would be invisible and make the page larger. */
function toThreeDigits(value: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, value))) - 2);
  return Math.round(value / unit) * unit;
}

function detailsOf(result: TaskResult): Pick<ReportTask, "command" | "stderrEnd"> {
  return { command: shownCommand(result.cmd), stderrEnd: stderrEnd(result) };
}

function shownCommand(cmd: TaskResult["cmd"]): string | undefined {
  return cmd && truncate(commandText(cmd), COMMAND_CHARACTERS);
}

/** Returns the end of a task's standard error, which usually has the reason of a failure. */
function stderrEnd({ stderr, stderrEncoding, stderrFile, stderrBytes }: TaskResult): string {
  const text = stderrEncoding === "base64" ? Buffer.from(stderr, "base64").toString() : stderr;
  if (stderrFile !== undefined) {
    // Never open the file: the results may be from someone who is not allowed to read it.
    return `${truncate(text, STDERR_CHARACTERS)}\n(all ${stderrBytes} bytes are in ${truncate(stderrFile)})`;
  }
  return text.length <= STDERR_CHARACTERS ? text : `…${text.slice(-STDERR_CHARACTERS)}`;
}
