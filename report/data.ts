/** The data that the page of a report shows. @module */

import type { Outcome, TaskResult } from "../records/result.ts";
import type { Bar } from "../results/statistics/log_histogram.ts";
import type { RunFigures } from "../results/statistics/run_statistics.ts";
import type { TimeSeries } from "../results/statistics/time_buckets.ts";

/** The part of a report that is readable before the rest of its data is unpacked. */
export interface ReportOverview {
  /** The name of the results file. */
  name: string;
  figures: RunFigures;
  /** The resolution of the CPU times in milliseconds, if the results reveal it. */
  cpuStepMs: number | undefined;
}

/** The data of a report. Times of rows and tasks are in milliseconds since `startedMs`. */
export interface ReportData extends ReportOverview {
  /** Start of the first attempt, in milliseconds since 1970. */
  startedMs: number;
  durations: Bar[];
  cpuTimes: Bar[];
  /** The milliseconds that tasks ran in each interval of the run, summed over all slots. */
  busy: TimeSeries;
  /** The number of tasks that ended in each interval. */
  ended: TimeSeries;
  /** The number of tasks that ended in each interval and were not `ok`. */
  notOk: TimeSeries;
  /** All outcomes; rows hold indices into them. */
  outcomes: readonly Outcome[];
  /** The names of the slots, in order. */
  lanes: string[];
  /** The number of slots that have no lane. */
  omittedLanes: number;
  rows: Rows;
  /** The earlier attempts of the results that have a row. */
  earlierRows: Rows;
  /** Present only if some results have no row. */
  laneUtilization: LaneUtilization | undefined;
  slowest: ReportTask[];
  mostRetried: ReportTask[];
  /** The first tasks that were not `ok`; canceled tasks come last. */
  failures: ReportTask[];
  /** Present while the run is in progress. */
  progress: ReportProgress | undefined;
}

/** The utilization of each lane, in equal intervals of the run. */
export interface LaneUtilization {
  /** Start of the first interval, in milliseconds since 1970. */
  fromMs: number;
  /** The length of an interval. */
  widthMs: number;
  /** For each lane, the percentage of each interval in which the lane was busy. */
  busy: number[][];
  /** For each lane, the number of tasks that ended in each interval and were not `ok`. */
  notOk: number[][];
}

/** The progress of a run. */
export interface ReportProgress {
  total: number | undefined;
  finished: number;
  running: number;
  retrying: number;
  /** The time since the run began. */
  elapsedMs: number;
}

/** Individual results or attempts, all or every nth of too many, in columns because those compress best. */
export interface Rows {
  ids: string[];
  /** Whole milliseconds since the start of the previous row. */
  startDeltas: number[];
  /** Microseconds, to three significant digits. */
  durations: number[];
  /** Indices of lanes; the number of lanes for a slot without a lane. */
  lanes: number[];
  /** Indices into `outcomes` of the report. */
  outcomes: number[];
  statuses: (number | null)[];
  /** The number of attempts of a result, or the number of an attempt. */
  attempts: number[];
  /** Microseconds, to three significant digits; -1 if unknown. */
  cpuTimes: number[];
}

/** A task in one of the lists. */
export interface ReportTask
  extends Pick<TaskResult, "id" | "status" | "outcome" | "signal" | "error" | "attempts" | "durationMs"> {
  lane: string;
  startMs: number;
  cpuMs: number | undefined;
  /** The command, if the results have it; only in the list of failures. */
  command?: string | undefined;
  /** The end of the task's standard error; only in the list of failures. */
  stderrEnd?: string | undefined;
}
