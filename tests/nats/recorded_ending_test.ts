import { assertEquals } from "@std/assert/equals";
import type { AttemptEnding } from "../../mod.ts";
import { checkResult } from "../../nats/client/check_message.ts";
import { recordedEnding } from "../../nats/worker/recorded_ending.ts";
import { resultWithoutOutput } from "../../pool/executor.ts";
import { test } from "../support/test.ts";

test("recordedEnding() returns endings that a run accepts", () => {
  const kept: AttemptEnding[] = [
    { kind: "exited", status: 255 },
    { kind: "signaled", signal: "SIGKILL", status: 137 },
    { kind: "spawn-failed", status: 127, reason: "Why" },
    { kind: "lost", reason: "Why" },
  ];
  const changed: [ending: AttemptEnding, recorded: AttemptEnding][] = [
    [{ kind: "no-resources", reason: "Why" }, {
      kind: "spawn-failed",
      status: 126,
      reason: "Cannot start the task: Why",
    }],
    [{ kind: "withdrawn" }, { kind: "lost", reason: "The task was stopped before it began" }],
  ];
  const limits = { maxInlineBytes: 8, maxOutputBytes: 64 };
  for (const [ending, expected] of [...kept.map((ending) => [ending, ending] as const), ...changed]) {
    const result = checkResult(resultWithoutOutput(recordedEnding(ending)), limits);
    assertEquals<AttemptEnding>(result.ending, expected);
  }
});
