/** The results that `--resume` reads: the last result of a task counts, or an error names the first bad line. */

import { assertEquals } from "@std/assert/equals";
import { ResultIndex } from "../../results/result_index.ts";
import { parseResult, type TaskResult } from "../../mod.ts";
import { assertExpected, chunks, linesOf } from "./target.ts";
import * as results from "./results.ts";

export const tokens = [...results.tokens, '"cmdHash":"a18264a2"', '"cmdHash":"-5"', '"id":"__proto__"'];

const line = (id: string, outcome: string, cmdHash: string) =>
  JSON.stringify({
    ...{
      id,
      status: 0,
      outcome,
      attempts: 1,
      slot: 1,
      startedAt: "2026-01-02T03:04:05.678Z",
      durationMs: 0,
      stdout: "",
      stderr: "",
      cmdHash,
    },
  });

export const seeds = [
  ...results.seeds,
  `${line("a", "ok", "")}\n${line("a", "canceled", "0")}\n${line("__proto__", "failed", "a18264a2")}\n`,
  `${line("a", "ok", "-5")}\n${line("b", "failed", "-ffffffff")}\n${line("c", "ok", "fffffffffffff")}\n${
    line("d", "ok", "x")
  }`,
];

export async function fuzz(data: Uint8Array): Promise<void> {
  const expected = new Map<string, TaskResult>();
  let badLine: number | undefined;
  for (const [index, { text }] of linesOf(data).entries()) {
    if (text !== undefined && /^[ \t\r]*$/.test(text)) continue;
    try {
      const result = parseResult(JSON.parse(text!));
      expected.set(result.id, result);
    } catch {
      badLine = index + 1;
      break;
    }
  }
  for (const retryFailed of [false, true]) {
    try {
      const index = new ResultIndex(retryFailed);
      await index.read(chunks(data, 11));
      assertEquals([badLine, index.size], [undefined, expected.size]);
      for (const { id, outcome } of [...expected.values(), { id: "new", outcome: "canceled" } as const]) {
        const isDone = outcome === "ok" || outcome !== "canceled" && !retryFailed;
        assertEquals(index.stateOf({ id, cmd: "x" }) !== "remaining", isDone);
        assertEquals(index.outcomeOf(id), outcome === "canceled" ? undefined : outcome);
      }
    } catch (error) {
      assertExpected(error);
      assertEquals((error as { lineNumber: number }).lineNumber, badLine);
    }
  }
}
