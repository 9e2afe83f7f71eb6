import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { hasRunToEnd, isFailure, isUnfinished, OUTCOMES, parseResult } from "../../records/result.ts";
import { test } from "../support/test.ts";

const RESULT = {
  id: "a",
  status: 0,
  outcome: "ok",
  attempts: 1,
  slot: 1,
  startedAt: "2026-01-02T03:04:05.678Z",
  durationMs: 1.5,
  stdout: "hi\n",
  stderr: "",
};
const SKIPPED = { ...RESULT, status: null, outcome: "skipped", attempts: 0, slot: 0, durationMs: 0, stdout: "" };

function problemOf(value: unknown, ErrorClass: typeof TypeError | typeof RangeError): string {
  const { message } = assertThrows(() => parseResult(value), ErrorClass);
  const [, problem] = /^Cannot read the result: (.*)$/s.exec(message)!;
  return problem!;
}

test("parseResult() returns the same object with the fields of workflows", () => {
  const fields = { after: ["b", "", "\ud800"], uses: { gpu: 1, mem_gb: 0 }, slots: 2 };
  for (
    const result of [{ ...RESULT, ...fields }, { ...SKIPPED, ...fields, error: "b failed" }, { ...RESULT, after: [] }]
  ) {
    assert(parseResult(result) as unknown === result);
  }
});

test("parseResult() rejects an after that is not an array of strings", () => {
  for (const after of ["b", null, {}, 7]) {
    assertEquals(
      problemOf({ ...RESULT, after }, TypeError),
      `"after" must be an array of ids, got ${JSON.stringify(after)}`,
    );
  }
  assertEquals(problemOf({ ...RESULT, after: ["b", 7] }, RangeError), '"after[1]" must be a string, got 7');
  assertEquals(problemOf({ ...RESULT, after: [["b"]] }, RangeError), '"after[0]" must be a string, got ["b"]');
  assertEquals(
    problemOf({ ...RESULT, after: Array(1_000_000).fill(null) }, RangeError),
    '"after[0]" must be a string, got null',
  );
});

test("parseResult() rejects uses and slots that a task cannot have", () => {
  for (const uses of [[], null, "gpu", [1]]) {
    assertEquals(
      problemOf({ ...RESULT, uses }, TypeError),
      `"uses" must be an object such as {"gpu":1}, got ${JSON.stringify(uses)}`,
    );
  }
  for (const uses of ['{"gpu":-1}', '{"gpu":0.5}', '{"gpu":"1"}', '{"constructor":null}']) {
    assert(problemOf({ ...RESULT, uses: JSON.parse(uses) }, RangeError).includes("must be an integer of at least 0"));
  }
  for (const uses of ['{"":1}', '{"g u":1}', '{"__proto__":1}']) {
    assert(problemOf({ ...RESULT, uses: JSON.parse(uses) }, RangeError).includes("is not the name of a resource"));
  }
  assertEquals(problemOf({ ...RESULT, slots: 0 }, RangeError), '"slots" must be at least 1, got 0');
  assertEquals(problemOf({ ...RESULT, slots: 1.5 }, RangeError), '"slots" must be an integer, got 1.5');
});

test("parseResult() requires an attempt and a slot, except of a skipped task, which has neither", () => {
  for (const outcome of OUTCOMES.filter((outcome) => outcome !== "skipped")) {
    assertEquals(parseResult({ ...RESULT, outcome }).outcome, outcome);
    assertEquals(problemOf({ ...RESULT, outcome, attempts: 0 }, RangeError), '"attempts" must be at least 1, got 0');
    assertEquals(problemOf({ ...RESULT, outcome, slot: 0 }, RangeError), '"slot" must be at least 1, got 0');
  }
  assertEquals(parseResult(SKIPPED).outcome, "skipped");
  assertEquals(problemOf({ ...SKIPPED, attempts: 1 }, RangeError), '"attempts" of a skipped task must be 0, got 1');
  assertEquals(problemOf({ ...SKIPPED, slot: 1 }, RangeError), '"slot" of a skipped task must be 0, got 1');
  assertEquals(problemOf({ ...SKIPPED, attempts: -1 }, RangeError), '"attempts" must not be negative, got -1');
  const attempt = { outcome: "failed", status: 1, slot: 1, startedAt: RESULT.startedAt, durationMs: 1, stderrEnd: "" };
  const withAttempt = (fields: object) => ({ ...RESULT, attempts: 2, earlierAttempts: [{ ...attempt, ...fields }] });
  assertEquals(parseResult(withAttempt({})).earlierAttempts?.length, 1);
  assert(
    problemOf(withAttempt({ outcome: "skipped" }), TypeError).startsWith('"earlierAttempts[0].outcome" must be one of'),
  );
  assertEquals(
    problemOf(withAttempt({ slot: 0 }), RangeError),
    '"earlierAttempts[0].slot" must be at least 1, got 0',
  );
});

test("a skipped task is neither a success nor a failure, and does not run again", () => {
  const kinds = OUTCOMES.map((outcome) => [outcome, isFailure(outcome), isUnfinished(outcome), hasRunToEnd(outcome)]);
  assertEquals(kinds, [
    ["ok", false, false, true],
    ["failed", true, false, true],
    ["killed", true, false, true],
    ["timeout", true, false, true],
    ["canceled", false, true, false],
    ["not-started", true, false, true],
    ["output-limit", true, false, true],
    ["skipped", false, false, false],
  ]);
});
