import { defineLazyText, lazyTextsOf } from "../text/lazy_text.ts";
import type { AttemptEnding, AttemptResult, AttemptStop, Output } from "./executor.ts";
import type { Outcome, TaskResult } from "../records/result.ts";
import type { CheckedTask } from "../records/task.ts";

/** The reason for which an attempt was stopped, or was not retried. */
export type StopReason = AttemptStop | "not-retried";

const STOPPED: Readonly<Record<StopReason, { outcome: Outcome; error: string }>> = {
  "canceled": { outcome: "canceled", error: "The run was stopped while the task ran" },
  "not-retried": { outcome: "canceled", error: "The run was stopped before the task could be retried" },
  "output-limit": { outcome: "output-limit", error: "The task printed more than its limit allows" },
  "timeout": { outcome: "timeout", error: "The task took longer than its timeout allows" },
};

/** The fields of a result that come from the pool instead of the executor. */
export type AttemptMeta =
  & Pick<TaskResult, "id" | "attempts" | "slot" | "startedAt" | "worker" | "earlierAttempts" | "cmd">
  & { cmdHash: string; workflow: WorkflowFields | undefined };

/** The fields of a task that its result repeats, because they explain when the task started. */
export type WorkflowFields = Pick<TaskResult, "after" | "uses" | "slots">;

/** The exit status of timeout(1). */
const TIMEOUT_STATUS = 124;

/** Returns the result of a task whose last attempt has ended. */
export function toResult<Meta>(
  { id, attempts, slot, startedAt, worker, earlierAttempts, cmdHash, cmd, workflow }: AttemptMeta,
  result: AttemptResult,
  stopReason: StopReason | undefined,
  meta: Meta | undefined,
): TaskResult<Meta> {
  const { status, outcome, signal, error } = classify(result, stopReason);
  const { durationMs, userMs, systemMs, stdout, stderr } = result;
  // Assignments take a fraction of the time of conditional spreads. Their order is that of the fields in a line.
  const fields = { id, status, outcome } as TaskResult<Meta>;
  if (signal !== undefined) fields.signal = signal;
  if (error !== undefined) fields.error = error;
  fields.attempts = attempts;
  fields.slot = slot;
  if (worker) fields.worker = worker;
  fields.startedAt = startedAt;
  fields.durationMs = rounded(durationMs);
  if (userMs !== undefined) fields.userMs = rounded(userMs);
  if (systemMs !== undefined) fields.systemMs = rounded(systemMs);
  if (earlierAttempts) fields.earlierAttempts = earlierAttempts;
  setText(fields, "stdout", stdout);
  if (stdout.encoding) fields.stdoutEncoding = stdout.encoding;
  if (stdout.bytes !== undefined) fields.stdoutBytes = stdout.bytes;
  if (stdout.file !== undefined) fields.stdoutFile = stdout.file;
  setText(fields, "stderr", stderr);
  if (stderr.encoding) fields.stderrEncoding = stderr.encoding;
  if (stderr.bytes !== undefined) fields.stderrBytes = stderr.bytes;
  if (stderr.file !== undefined) fields.stderrFile = stderr.file;
  fields.cmdHash = cmdHash;
  if (cmd !== undefined) fields.cmd = cmd;
  if (workflow) Object.assign(fields, workflow);
  if (meta !== undefined) fields.meta = meta;
  return fields;
}

/** Sets the text of an output, which is not decoded for that. */
function setText(result: TaskResult, stream: "stdout" | "stderr", output: Output): void {
  const text = lazyTextsOf(output)?.text;
  if (text) defineLazyText(result, stream, text);
  else result[stream] = output.text;
}

/** Returns the result of a task that does not run, because of its prerequisites. */
export function skippedResult(
  { id, cmdHash, task }: { id: string; cmdHash: string; task: CheckedTask },
  error: string,
  recordsCommand: boolean,
): TaskResult {
  return {
    id,
    status: null,
    outcome: "skipped",
    error,
    attempts: 0,
    slot: 0,
    startedAt: new Date().toISOString(),
    durationMs: 0,
    stdout: "",
    stderr: "",
    cmdHash,
    ...(recordsCommand && { cmd: task.cmd }),
    ...workflowFieldsOf(task),
    ...(task.meta !== undefined && { meta: task.meta }),
  };
}

/** Returns the fields of a task that its result repeats; `undefined` for most tasks. */
export function workflowFieldsOf({ after, uses, slots = 1 }: CheckedTask): WorkflowFields | undefined {
  if (after === undefined && uses === undefined && slots === 1) return undefined;
  return {
    ...(after !== undefined && { after: Array.isArray(after) ? after.map(String) : [String(after)] }),
    ...(uses && { uses }),
    ...(slots > 1 && { slots }),
  };
}

/** The fields of a result that describe the end of the last attempt. */
export interface Classification {
  status: TaskResult["status"];
  outcome: Outcome;
  signal: string | undefined;
  error: string | undefined;
}

/** Classifies the end of an attempt. The first matching cause wins, in the order of {@linkcode Outcome}. */
export function classify(
  { ending, outputError }: AttemptResult,
  stopReason: StopReason | undefined,
): Classification {
  const status = statusOf(ending);
  const signal = ending.kind === "signaled" ? ending.signal : undefined;
  const details = ["reason" in ending ? ending.reason : undefined, outputError];
  if (stopReason) {
    const { outcome, error } = STOPPED[stopReason];
    return {
      status: outcome === "timeout" ? TIMEOUT_STATUS : status,
      outcome,
      signal,
      error: joined(error, ...details),
    };
  }
  return { status, outcome: outcomeOf(ending, outputError), signal, error: joined(...details) };
}

/**
 * Returns whether an attempt counts for the result of its task. An attempt that never began does not count, unless it
 * was stopped.
 */
export function hasResult({ ending, stoppedBy }: AttemptResult): boolean {
  switch (ending.kind) {
    case "exited":
    case "signaled":
    case "spawn-failed":
    case "lost":
      return true;
    case "no-resources":
    case "withdrawn":
      return stoppedBy !== undefined;
  }
}

function statusOf(ending: AttemptEnding): number | null {
  switch (ending.kind) {
    case "exited":
    case "signaled":
    case "spawn-failed":
      return ending.status;
    case "no-resources":
    case "lost":
    case "withdrawn":
      return null;
  }
}

function outcomeOf(ending: AttemptEnding, outputError: string | undefined): Outcome {
  switch (ending.kind) {
    case "exited":
      return ending.status === 0 && outputError === undefined ? "ok" : "failed";
    case "signaled":
    case "lost":
      return "killed";
    case "spawn-failed":
    case "no-resources":
      return "not-started";
    case "withdrawn":
      return "canceled";
  }
}

function joined(...sentences: (string | undefined)[]): string | undefined {
  let text: string | undefined;
  for (const sentence of sentences) if (sentence) text = text === undefined ? sentence : `${text}. ${sentence}`;
  return text;
}

/** Rounds to microseconds, the precision of the clocks. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
