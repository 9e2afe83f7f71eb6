import { createReadStream } from "node:fs";
import { parseResult, readJsonLines } from "../../mod.ts";
import { checkedNumber } from "./mixture.ts";

/** What a file of results has come to. */
export interface Ledger {
  outcomes: Record<string, number>;
  failures: number;
}

/**
 * Checks a file of results, line by line: each is whole and what it must be, and each of the tasks from 1 to the last has
 * one. A task that was canceled has run again, and has another one.
 */
export async function checkResults(path: string, last: number): Promise<Ledger> {
  const isSeen = new Uint8Array(last + 1);
  const outcomes: Record<string, number> = {};
  for await (const { value: result } of readJsonLines(createReadStream(path), { parse: parseResult })) {
    outcomes[result.outcome] = (outcomes[result.outcome] ?? 0) + 1;
    if (result.outcome === "canceled") continue;
    const number = await checkedNumber(result);
    if (!(number >= 1 && number <= last)) throw new Error(`There is no task ${result.id}`);
    if (isSeen[number]) throw new Error(`${result.id} has two results`);
    isSeen[number] = 1;
  }
  const missing = isSeen.indexOf(0, 1);
  if (missing !== -1) throw new Error(`Task ${missing} has no result`);
  return { outcomes, failures: last - (outcomes["ok"] ?? 0) };
}

/** As the tool ends after so many tasks that were not ok. */
export function exitStatusAfter(failures: number): number {
  return Math.min(failures, 101);
}
