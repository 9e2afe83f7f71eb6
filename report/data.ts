/** What the page of a report is given. @module */

import type { Outcome, TaskResult } from "../result.ts";
import type { Bar } from "../statistics/log_histogram.ts";
import type { RunFigures } from "../statistics/run_statistics.ts";
import type { TimeSeries } from "../statistics/time_grid.ts";

/** A run, as the page shows it. Times of rows and tasks are in milliseconds since `startedMs`. */
export interface ReportData {
  /** The file of results. */
  name: string;
  /** When the first attempt began, in milliseconds since 1970. */
  startedMs: number;
  figures: RunFigures;
  durations: Bar[];
  cpuTimes: Bar[];
  /** For how many milliseconds of each part tasks ran, all slots together. */
  busy: TimeSeries;
  /** How many tasks ended in each part. */
  ended: TimeSeries;
  /** How many of these were not ok. */
  notOk: TimeSeries;
  /** All outcomes that there are. */
  outcomes: readonly Outcome[];
  /** The names of the slots, in their order. */
  lanes: string[];
  /** How many slots there are beyond those. */
  moreLanes: number;
  rows: Rows;
  /** Only when the rows are not all results. */
  laneParts: LaneParts | undefined;
  slowest: TaskOfReport[];
  mostRetried: TaskOfReport[];
  /** The first of those that were not ok. */
  failures: TaskOfReport[];
  /** There while the run goes on. */
  progress: ReportProgress | undefined;
}

/** When each lane was busy, in equal parts of the time. */
export interface LaneParts {
  /** When the first part begins, in milliseconds since 1970. */
  fromMs: number;
  /** How long a part is. */
  widthMs: number;
  /** For each lane, how much of each part it was busy, in percent. */
  busy: number[][];
  /** For each lane, how many tasks ended in each part that were not ok. */
  notOk: number[][];
}

/** How far the run has got. */
export interface ReportProgress {
  total: number | undefined;
  finished: number;
  running: number;
  retrying: number;
  /** How long the run has been going on. */
  elapsedMs: number;
}

/** Results one by one, in columns: as text these take least. All of them or, when there are too many, every n-th. */
export interface Rows {
  ids: string[];
  /** Whole milliseconds after the start of the row before. */
  startDeltas: number[];
  /** In microseconds, to three digits. */
  durations: number[];
  /** Indices into the lanes; what is beyond them has the number of lanes. */
  lanes: number[];
  /** Indices into `outcomes` of the report. */
  outcomes: number[];
  statuses: (number | null)[];
  attempts: number[];
  /** Whole milliseconds, or -1 where it is not known. */
  cpuTimes: number[];
}

/** A task that is told of by name. */
export interface TaskOfReport
  extends Pick<TaskResult, "id" | "status" | "outcome" | "signal" | "error" | "attempts" | "durationMs"> {
  lane: string;
  startMs: number;
  cpuMs: number | undefined;
  /** The end of what it printed to standard error; only of failures. */
  stderrEnd?: string | undefined;
}
