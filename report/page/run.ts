import type { Outcome } from "../../records/result.ts";
import type { ReportData } from "../data.ts";

/** A result, with its times in milliseconds since the run began. */
export interface Row {
  id: string;
  lane: number;
  startMs: number;
  endMs: number;
  outcome: Outcome;
  status: number | null;
  attempts: number;
  /** -1 if unknown. */
  cpuMs: number;
}

/** Converts the columns of a report to rows. */
export function rowsOf({ rows, outcomes }: ReportData): Row[] {
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
