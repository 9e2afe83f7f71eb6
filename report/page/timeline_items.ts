import type { ReportData } from "../data.ts";
import type { Row } from "./run.ts";
import { OUTCOME_COLOURS } from "./theme.ts";

/** More tasks than that are not drawn one by one. */
const MAX_BARS = 3_000;
/** In how many parts the visible time is cut when they are not. */
const PARTS = 500;
const MIXED_COLOUR = OUTCOME_COLOURS.failed;

/** A rectangle of the timeline, in milliseconds since the run began. */
export interface TimelineItem {
  lane: number;
  startMs: number;
  endMs: number;
  colour: string;
  /** How much of the time something ran there. */
  opacity: number;
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
  const items = data.laneParts ? storedParts(data, fromMs, toMs) : sharedParts(visible, fromMs, toMs);
  return { items: merged(items), areTasks: false };
}

/** How busy each lane was, of rows that are all there. */
function sharedParts(rows: readonly Row[], fromMs: number, toMs: number): TimelineItem[] {
  const widthMs = (toMs - fromMs) / PARTS;
  const busy = new Map<number, Float64Array>();
  const notOk = new Map<number, Uint8Array>();
  for (const { lane, startMs, endMs, outcome } of rows) {
    if (!busy.has(lane)) busy.set(lane, new Float64Array(PARTS));
    if (!notOk.has(lane)) notOk.set(lane, new Uint8Array(PARTS));
    const part = (ms: number) => Math.min(PARTS - 1, Math.max(0, Math.floor((ms - fromMs) / widthMs)));
    let beginMs = Math.max(fromMs, startMs);
    for (let index = part(startMs); index <= part(endMs); index++) {
      const stopMs = Math.min(endMs, fromMs + (index + 1) * widthMs);
      busy.get(lane)![index]! += Math.max(0, stopMs - beginMs) / widthMs;
      beginMs = stopMs;
    }
    if (outcome !== "ok" && endMs <= toMs) notOk.get(lane)![part(endMs)] = 1;
  }
  return [...busy].flatMap(([lane, shares]) =>
    [...shares].map((share, index) =>
      partItem(lane, fromMs + index * widthMs, widthMs, share, notOk.get(lane)![index]! > 0)
    )
  );
}

/** The same, of all results, as the report has it. */
function storedParts({ laneParts, startedMs }: ReportData, fromMs: number, toMs: number): TimelineItem[] {
  const { fromMs: gridMs, widthMs, busy, notOk } = laneParts!;
  return busy.flatMap((percent, lane) =>
    percent.map((percent, index) =>
      partItem(lane, gridMs - startedMs + index * widthMs, widthMs, percent / 100, notOk[lane]![index]! > 0)
    )
  ).filter(({ startMs, endMs }) => endMs >= fromMs && startMs <= toMs);
}

function partItem(lane: number, startMs: number, widthMs: number, share: number, isNotOk: boolean): TimelineItem {
  const colour = isNotOk ? MIXED_COLOUR : OUTCOME_COLOURS.ok;
  // In steps, so that neighbours are mostly the same and can be drawn as one.
  const opacity = isNotOk ? 1 : Math.ceil(Math.min(1, share) * 5) / 5;
  return { lane, startMs, endMs: startMs + widthMs, colour, opacity };
}

/** Makes one of neighbours that look the same, and nothing of those that cannot be seen. */
function merged(items: readonly TimelineItem[]): TimelineItem[] {
  const result: TimelineItem[] = [];
  for (const item of items) {
    const last = result.at(-1);
    if (
      last && last.lane === item.lane && last.colour === item.colour && last.opacity === item.opacity
    ) last.endMs = item.endMs;
    else result.push({ ...item });
  }
  return result.filter(({ opacity }) => opacity > 0);
}
