import type { AttemptEnd, AttemptStop } from "./executor.ts";
import type { Outcome, TaskResult } from "../records/result.ts";

/** Why an attempt did not end by itself, or there was not one more. */
export type StopReason = AttemptStop | "not-retried";

const STOPPED: Readonly<Record<StopReason, { outcome: Outcome; error: string }>> = {
  "canceled": { outcome: "canceled", error: "The run was stopped while the task ran" },
  "not-retried": { outcome: "canceled", error: "The run was stopped before the task could be tried again" },
  "output-limit": { outcome: "output-limit", error: "The task printed more than its limit allows" },
  "timeout": { outcome: "timeout", error: "The task took longer than its timeout allows" },
};

/** What the pool knows of an attempt. */
export type AttemptFacts = Pick<TaskResult, "id" | "attempts" | "slot" | "startedAt" | "worker"> & { cmdHash: string };

/** The outcomes after which a task is tried again, if it may be. */
export const RETRIED: ReadonlySet<Outcome> = new Set(["failed", "killed", "timeout"]);

/** As timeout(1) does. */
const TIMEOUT_STATUS = 124;

/** The result of a task, from what the pool knows and from the end of its last attempt. */
export function toResult(
  { id, attempts, slot, startedAt, worker, cmdHash }: AttemptFacts,
  end: AttemptEnd,
  stopReason: StopReason | undefined,
  meta: unknown,
): TaskResult {
  const { status, outcome, error } = verdictOf(end, stopReason);
  const { signal, durationMs, userMs, systemMs, stdout, stderr } = end;
  return {
    id,
    status,
    outcome,
    ...(signal !== undefined && { signal }),
    ...(error !== undefined && { error }),
    attempts,
    slot,
    ...(worker && { worker }),
    startedAt,
    durationMs: rounded(durationMs),
    ...(userMs !== undefined && { userMs: rounded(userMs) }),
    ...(systemMs !== undefined && { systemMs: rounded(systemMs) }),
    stdout: stdout.text,
    ...(stdout.encoding && { stdoutEncoding: stdout.encoding }),
    ...(stdout.bytes !== undefined && { stdoutBytes: stdout.bytes }),
    ...(stdout.file !== undefined && { stdoutFile: stdout.file }),
    stderr: stderr.text,
    ...(stderr.encoding && { stderrEncoding: stderr.encoding }),
    ...(stderr.bytes !== undefined && { stderrBytes: stderr.bytes }),
    ...(stderr.file !== undefined && { stderrFile: stderr.file }),
    cmdHash,
    ...(meta !== undefined && { meta }),
  };
}

/** How an attempt ended, in the words of a result. */
export interface Verdict extends Pick<TaskResult, "status" | "outcome"> {
  error: string | undefined;
}

/** Says how an attempt ended. */
export function verdictOf(end: AttemptEnd, stopReason: StopReason | undefined): Verdict {
  const { outcome, error } = outcomeOf(end, stopReason);
  return { status: outcome === "timeout" ? TIMEOUT_STATUS : end.status, outcome, error };
}

/** The first cause that applies wins; the order is part of what {@linkcode Outcome} promises. */
function outcomeOf(
  end: AttemptEnd,
  stopReason: StopReason | undefined,
): { outcome: Outcome; error?: string | undefined } {
  if (stopReason) {
    const { outcome, error } = STOPPED[stopReason];
    return { outcome, error: [error, end.outputError].filter(Boolean).join(". ") };
  }
  if (end.notStarted !== undefined) {
    return { outcome: "not-started", error: end.notStarted };
  }
  if (end.lost !== undefined) return { outcome: "killed", error: end.lost };
  const error = end.outputError;
  const isKilled = end.signal !== undefined || (end.status === null && error === undefined);
  if (isKilled) return { outcome: "killed", error };
  return {
    outcome: end.status === 0 && error === undefined ? "ok" : "failed",
    error,
  };
}

/** Microseconds are as much as the clocks can tell. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
