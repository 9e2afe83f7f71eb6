import { createReadStream } from "node:fs";
import { parseResult, readJsonLines } from "../../mod.ts";
import { checkedNumber } from "./mixture.ts";

/** Totals of a results file. */
export interface Ledger {
  outcomes: Record<string, number>;
  failures: number;
}

/**
 * Checks a results file: every line is a complete, expected result, and each task from 1 to `last` has exactly one, not
 * counting `canceled` results of tasks that ran again.
 */
export async function checkResults(path: string, last: number): Promise<Ledger> {
  const isSeen = new Uint8Array(last + 1);
  const outcomes: Record<string, number> = {};
  for await (const { value: result } of readJsonLines(createReadStream(path), { parse: parseResult })) {
    outcomes[result.outcome] = (outcomes[result.outcome] ?? 0) + 1;
    if (result.outcome === "canceled") continue;
    const number = await checkedNumber(result);
    if (!(number >= 1 && number <= last)) throw new Error(`Unexpected result for ${result.id}`);
    if (isSeen[number]) throw new Error(`${result.id} has two results`);
    isSeen[number] = 1;
  }
  const missing = isSeen.indexOf(0, 1);
  if (missing !== -1) throw new Error(`Task ${missing} has no result`);
  return { outcomes, failures: last - (outcomes["ok"] ?? 0) };
}

/** Returns the exit status of the command for a number of tasks that were not ok. */
export function exitStatusAfter(failures: number): number {
  return Math.min(failures, 101);
}
