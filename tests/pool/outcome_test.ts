import { assertEquals } from "@std/assert/equals";
import { type AttemptEnding, resultWithoutOutput } from "../../pool/executor.ts";
import { classify, hasResult, type StopReason } from "../../pool/outcome.ts";
import { test } from "../support/test.ts";

const ENDINGS: [ending: AttemptEnding, status: number | null, outcome: string, hasResult: boolean][] = [
  [{ kind: "exited", status: 0 }, 0, "ok", true],
  [{ kind: "exited", status: 3 }, 3, "failed", true],
  [{ kind: "signaled", signal: "SIGKILL", status: 137 }, 137, "killed", true],
  [{ kind: "spawn-failed", status: 127, reason: "Why" }, 127, "not-started", true],
  [{ kind: "no-resources", reason: "Why" }, null, "not-started", false],
  [{ kind: "lost", reason: "Why" }, null, "killed", true],
  [{ kind: "withdrawn" }, null, "canceled", false],
];
const STOPS: [stop: StopReason, outcome: string, error: string][] = [
  ["canceled", "canceled", "The run was stopped while the task ran"],
  ["not-retried", "canceled", "The run was stopped before the task could be retried"],
  ["output-limit", "output-limit", "The task printed more than its limit allows"],
  ["timeout", "timeout", "The task took longer than its timeout allows"],
];

test("classify() names the outcome of every ending", () => {
  for (const [ending, status, outcome] of ENDINGS) {
    const error = "reason" in ending ? ending.reason : undefined;
    const signal = ending.kind === "signaled" ? "SIGKILL" : undefined;
    assertEquals(classify(resultWithoutOutput(ending), undefined), { status, outcome, signal, error });
  }
});

test("classify() prefers the reason for a stop, and keeps all details", () => {
  for (const [ending, ownStatus] of ENDINGS) {
    for (const [stop, outcome, sentence] of STOPS) {
      const result = { ...resultWithoutOutput(ending), outputError: "Some is missing" };
      const seen = classify(result, stop);
      const details = "reason" in ending ? [ending.reason, "Some is missing"] : ["Some is missing"];
      const status = stop === "timeout" ? 124 : ownStatus;
      assertEquals([seen.status, seen.outcome, seen.error], [status, outcome, [sentence, ...details].join(". ")]);
    }
  }
});

test("hasResult() is false for an attempt that never began, unless it was stopped", () => {
  for (const [ending, , , has] of ENDINGS) {
    const result = resultWithoutOutput(ending);
    assertEquals([hasResult(result), hasResult({ ...result, stoppedBy: "canceled" })], [has, true]);
  }
});
