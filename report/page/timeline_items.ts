import type { ReportData } from "../data.ts";
import type { Row } from "./run.ts";
import { OUTCOME_COLOURS } from "./theme.ts";

/** More tasks than that are not drawn one by one. */
const MAX_BARS = 3_000;
/** In how many parts the visible time is cut when they are not. */
const PARTS = 500;

/** A rectangle of the timeline, in milliseconds since the run began. */
export interface TimelineItem {
  lane: number;
  startMs: number;
  endMs: number;
  colour: string;
  /** How much of the time something ran there. */
  opacity: number;
  /** It is a mark at the lower edge of the lane. */
  isMark?: boolean;
  /** The task that it stands for, when that is one. */
  row?: Row;
}

/** What is drawn between two times, and whether it is single tasks. */
export function timelineItems(
  data: ReportData,
  rows: readonly Row[],
  fromMs: number,
  toMs: number,
): { items: TimelineItem[]; areTasks: boolean } {
  const visible = rows.filter(({ startMs, endMs, lane }) =>
    endMs >= fromMs && startMs <= toMs && lane < data.lanes.length
  );
  if (visible.length <= MAX_BARS && (!data.laneParts || toMs - fromMs < data.laneParts.widthMs * 20)) {
    const items = visible.map((row) => {
      const { lane, startMs, endMs, outcome } = row;
      return { lane, startMs, endMs, colour: OUTCOME_COLOURS[outcome], opacity: 1, row };
    });
    return { items, areTasks: true };
  }
  const parts = data.laneParts ? storedParts(data, fromMs, toMs) : partsOf(visible, fromMs, toMs);
  return { items: [...merged(parts.map(shade)), ...merged(parts.map(mark))], areTasks: false };
}

/** A lane for a while. */
interface Part {
  lane: number;
  startMs: number;
  endMs: number;
  /** How much of the time something ran there. */
  busy: number;
  /** A task ended there that was not ok. */
  hasNotOk: boolean;
}

/** How busy the lanes were, of rows that are all there. */
function partsOf(rows: readonly Row[], fromMs: number, toMs: number): Part[] {
  const widthMs = (toMs - fromMs) / PARTS;
  const lanes = new Map<number, Part[]>();
  for (const { lane, startMs, endMs, outcome } of rows) {
    if (!lanes.has(lane)) lanes.set(lane, emptyParts(lane, fromMs, widthMs));
    const parts = lanes.get(lane)!;
    const indexOf = (ms: number) => Math.min(PARTS - 1, Math.max(0, Math.floor((ms - fromMs) / widthMs)));
    for (const part of parts.slice(indexOf(startMs), indexOf(endMs) + 1)) {
      part.busy += Math.max(0, Math.min(endMs, part.endMs) - Math.max(startMs, part.startMs)) / widthMs;
    }
    if (outcome !== "ok" && endMs <= toMs) parts[indexOf(endMs)]!.hasNotOk = true;
  }
  return [...lanes.values()].flat();
}

function emptyParts(lane: number, fromMs: number, widthMs: number): Part[] {
  return Array.from({ length: PARTS }, (_, index) => {
    const startMs = fromMs + index * widthMs;
    return { lane, startMs, endMs: startMs + widthMs, busy: 0, hasNotOk: false };
  });
}

/** The same, of all results, as the report has it. */
function storedParts({ laneParts, startedMs }: ReportData, fromMs: number, toMs: number): Part[] {
  const { fromMs: gridMs, widthMs, busy, notOk } = laneParts!;
  return busy.flatMap((percentages, lane) =>
    percentages.map((percentage, index) => {
      const startMs = gridMs - startedMs + index * widthMs;
      const hasNotOk = notOk[lane]![index]! > 0;
      return { lane, startMs, endMs: startMs + widthMs, busy: percentage / 100, hasNotOk };
    })
  ).filter(({ startMs, endMs }) => endMs >= fromMs && startMs <= toMs);
}

/** In steps, so that neighbours are mostly the same and can be drawn as one. */
function shade({ lane, startMs, endMs, busy }: Part): TimelineItem {
  return { lane, startMs, endMs, colour: OUTCOME_COLOURS.ok, opacity: Math.ceil(Math.min(1, busy) * 5) / 5 };
}

function mark({ lane, startMs, endMs, hasNotOk }: Part): TimelineItem {
  return { lane, startMs, endMs, colour: OUTCOME_COLOURS.failed, opacity: Number(hasNotOk), isMark: true };
}

/** Makes one of neighbours that look the same, and nothing of those that cannot be seen. */
function merged(items: readonly TimelineItem[]): TimelineItem[] {
  const result: TimelineItem[] = [];
  for (const item of items) {
    const last = result.at(-1);
    if (last && last.lane === item.lane && last.opacity === item.opacity) last.endMs = item.endMs;
    else result.push({ ...item });
  }
  return result.filter(({ opacity }) => opacity > 0);
}
