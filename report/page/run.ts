import type { Outcome } from "../../records/result.ts";
import type { ReportData, Rows } from "../data.ts";

/** A result or an earlier attempt, with its times in milliseconds since the run began. */
export interface Row {
  id: string;
  lane: number;
  startMs: number;
  endMs: number;
  outcome: Outcome;
  status: number | null;
  /** The number of attempts of a result, or the number of an earlier attempt. */
  attempts: number;
  /** Set for an attempt before the last one. */
  isEarlier: boolean;
  /** -1 if unknown. */
  cpuMs: number;
}

/** Returns the results of a report that it has individually. */
export function resultRows({ rows, outcomes }: ReportData): Row[] {
  return rowsOf(rows, outcomes, false);
}

/** Returns the earlier attempts of these results. */
export function earlierRows({ earlierRows, outcomes }: ReportData): Row[] {
  return rowsOf(earlierRows, outcomes, true);
}

/** Converts columns to rows. */
function rowsOf(rows: Rows, outcomes: readonly Outcome[], isEarlier: boolean): Row[] {
  let startMs = 0;
  return rows.ids.map((id, index) => {
    startMs += rows.startDeltas[index]!;
    return {
      id,
      lane: rows.lanes[index]!,
      startMs,
      endMs: startMs + rows.durations[index]! / 1000,
      outcome: outcomes[rows.outcomes[index]!]!,
      status: rows.statuses[index]!,
      attempts: rows.attempts[index]!,
      isEarlier,
      cpuMs: rows.cpuTimes[index]! < 0 ? -1 : rows.cpuTimes[index]! / 1000,
    };
  });
}

/** Decodes the text from `encodeReport`. */
export async function decodeReport(text: string): Promise<ReportData> {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const json = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(json).json();
}
