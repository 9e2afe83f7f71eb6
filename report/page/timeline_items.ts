import type { ReportData } from "../data.ts";
import { OUTCOME_COLORS } from "../outcome_colors.ts";
import type { Row } from "./run.ts";

/** Maximum number of tasks to draw individually. */
const MAX_BARS = 3_000;
/** Number of intervals of the visible time if tasks are not drawn individually. */
const INTERVALS = 500;

/** A rectangle of the timeline, in milliseconds since the run began. */
export interface TimelineItem {
  lane: number;
  startMs: number;
  endMs: number;
  color: string;
  /** The share of the time in which the lane was busy. */
  opacity: number;
  /** A mark at the lower edge of the lane. */
  isMark?: boolean;
  /** The task, if the rectangle represents a single task. */
  row?: Row;
}

/** Returns the rectangles between two times, and whether each is a single task. */
export function timelineItems(
  data: ReportData,
  rows: readonly Row[],
  fromMs: number,
  toMs: number,
): { items: TimelineItem[]; areTasks: boolean } {
  const visible = rows.filter(({ startMs, endMs, lane }) =>
    endMs >= fromMs && startMs <= toMs && lane < data.lanes.length
  );
  if (visible.length <= MAX_BARS && (!data.laneUtilization || toMs - fromMs < data.laneUtilization.widthMs * 20)) {
    const items = visible.map((row) => {
      const { lane, startMs, endMs, outcome } = row;
      return { lane, startMs, endMs, color: OUTCOME_COLORS[outcome], opacity: 1, row };
    });
    return { items, areTasks: true };
  }
  const intervals = data.laneUtilization
    ? storedIntervals(data, fromMs, toMs)
    : computeIntervals(visible, fromMs, toMs);
  return { items: [...merge(intervals.map(shade)), ...merge(intervals.map(mark))], areTasks: false };
}

/** An interval of a lane. */
interface Interval {
  lane: number;
  startMs: number;
  endMs: number;
  /** The share of the time in which a task ran. */
  busy: number;
  /** True when a task that was not `ok` ended in the interval. */
  hasNotOk: boolean;
}

/** Computes the utilization of the lanes from rows, if every result has one. */
function computeIntervals(rows: readonly Row[], fromMs: number, toMs: number): Interval[] {
  const widthMs = (toMs - fromMs) / INTERVALS;
  const lanes = new Map<number, Interval[]>();
  for (const { lane, startMs, endMs, outcome } of rows) {
    if (!lanes.has(lane)) lanes.set(lane, emptyIntervals(lane, fromMs, widthMs));
    const intervals = lanes.get(lane)!;
    const indexOf = (ms: number) => Math.min(INTERVALS - 1, Math.max(0, Math.floor((ms - fromMs) / widthMs)));
    for (const interval of intervals.slice(indexOf(startMs), indexOf(endMs) + 1)) {
      interval.busy += Math.max(0, Math.min(endMs, interval.endMs) - Math.max(startMs, interval.startMs)) / widthMs;
    }
    if (outcome !== "ok" && endMs <= toMs) intervals[indexOf(endMs)]!.hasNotOk = true;
  }
  return [...lanes.values()].flat();
}

function emptyIntervals(lane: number, fromMs: number, widthMs: number): Interval[] {
  return Array.from({ length: INTERVALS }, (_, index) => {
    const startMs = fromMs + index * widthMs;
    return { lane, startMs, endMs: startMs + widthMs, busy: 0, hasNotOk: false };
  });
}

/** Returns the utilization of the lanes that is stored in the report and covers all results. */
function storedIntervals({ laneUtilization, startedMs }: ReportData, fromMs: number, toMs: number): Interval[] {
  const { fromMs: gridMs, widthMs, busy, notOk } = laneUtilization!;
  return busy.flatMap((percentages, lane) =>
    percentages.map((percentage, index) => {
      const startMs = gridMs - startedMs + index * widthMs;
      const hasNotOk = notOk[lane]![index]! > 0;
      return { lane, startMs, endMs: startMs + widthMs, busy: percentage / 100, hasNotOk };
    })
  ).filter(({ startMs, endMs }) => endMs >= fromMs && startMs <= toMs);
}

/** Shades an interval in steps, so that most neighbors look alike and can be merged. */
function shade({ lane, startMs, endMs, busy }: Interval): TimelineItem {
  return { lane, startMs, endMs, color: OUTCOME_COLORS.ok, opacity: Math.ceil(Math.min(1, busy) * 5) / 5 };
}

function mark({ lane, startMs, endMs, hasNotOk }: Interval): TimelineItem {
  return { lane, startMs, endMs, color: OUTCOME_COLORS.failed, opacity: Number(hasNotOk), isMark: true };
}

/** Merges neighbors that look alike and drops invisible items. */
function merge(items: readonly TimelineItem[]): TimelineItem[] {
  const result: TimelineItem[] = [];
  for (const item of items) {
    const last = result.at(-1);
    if (last && last.lane === item.lane && last.opacity === item.opacity) last.endMs = item.endMs;
    else result.push({ ...item });
  }
  return result.filter(({ opacity }) => opacity > 0);
}
