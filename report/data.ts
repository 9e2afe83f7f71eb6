/** The data that the page of a report shows. @module */

import type { Outcome, TaskResult } from "../records/result.ts";
import type { Bar } from "../results/statistics/log_histogram.ts";
import type { RunFigures } from "../results/statistics/run_statistics.ts";
import type { TimeSeries } from "../results/statistics/time_buckets.ts";
import type { LinkTimes } from "./workflow/critical_path.ts";
import type { SkipCause } from "./workflow/skip_causes.ts";

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
  workflow: WorkflowData;
  /** Present while the run is in progress. */
  progress: ReportProgress | undefined;
}

/** The prerequisites and the resources of a run. */
export interface WorkflowData {
  /** Present if tasks have prerequisites. */
  criticalPath: CriticalPath | undefined;
  /** Present if tasks were skipped. */
  skipped: SkippedTasks | undefined;
  /** True if the run has prerequisites, but too many tasks for {@linkcode criticalPath} and {@linkcode skipped}. */
  isTooLarge: boolean;
  /** The resources that tasks used, in the order of their names. */
  resources: ResourceReport[];
  /** The number of resources that are left out. */
  omittedResources: number;
}

/** The chain of tasks that decided the duration of the run, and the sums of their times. */
export interface CriticalPath extends LinkTimes {
  /** The number of tasks. */
  tasks: number;
  /** The tasks in the order of their starts; of too many the longest, with gaps between. */
  rows: (PathLink | PathGap)[];
}

/** A task of the critical path. */
export interface PathLink extends LinkTimes, Pick<TaskResult, "id" | "outcome" | "attempts"> {
  /** Start of the first attempt, in milliseconds since the run began. */
  startMs: number;
}

/** Consecutive tasks of the critical path that are not listed, and the sums of their times. */
export interface PathGap extends LinkTimes {
  /** The number of tasks. */
  omitted: number;
}

/** The skipped tasks, by the reason. */
export interface SkippedTasks {
  /** The number of skipped tasks. */
  tasks: number;
  /** The most frequent reasons. */
  causes: {
    /** The task that caused the skips. */
    id: string;
    kind: SkipCause["kind"];
    /** The number of tasks that were skipped. */
    tasks: number;
    /** The first of these tasks. */
    ids: string[];
  }[];
  /** The number of other reasons, and of the tasks that were skipped because of them. */
  omittedCauses: number;
  omittedTasks: number;
}

/** The use of a resource. */
export interface ResourceReport {
  name: string;
  /** The number of units in use, averaged over the time of the run; `undefined` for a run of 0 ms. */
  mean: number | undefined;
  /** The maximum number of units in use at a time; `undefined` if it is unknown. */
  peak: number | undefined;
  /** The sum of units times milliseconds in each interval of the run. */
  series: TimeSeries;
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
