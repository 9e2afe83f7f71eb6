/**
 * The output record: each task has exactly one, written as a line of JSON.
 *
 * @module
 */

import * as v from "valibot";
import { recordProblem } from "./record_problem.ts";
import { resourceUse } from "./resource_use.ts";

/**
 * The outcome of a task: the first of these that applies.
 *
 * - `skipped`: the outcomes of its prerequisites kept the task from running, as `error` explains
 * - `canceled`: the run stopped while the task was running, or before its retry
 * - `timeout`: the last attempt took longer than `timeoutMs`
 * - `output-limit`: an output of the task exceeded `maxOutputBytes`, and was truncated
 * - `not-started`: the program or the working directory was not found or not usable; nothing ran
 * - `killed`: a signal ended the task, or its end is unknown, as `error` explains
 * - `failed`: the exit status is not 0, or the output could not be stored, as `error` explains
 * - `ok`: the exit status is 0
 */
export type Outcome = "ok" | "failed" | "killed" | "timeout" | "canceled" | "not-started" | "output-limit" | "skipped";

/** All outcomes, the successful one first. */
export const OUTCOMES = [
  "ok",
  "failed",
  "killed",
  "timeout",
  "canceled",
  "not-started",
  "output-limit",
  "skipped",
] as const satisfies readonly Outcome[];

/** The outcomes of attempts, which a skipped task does not have. */
const ATTEMPT_OUTCOMES = OUTCOMES.filter((outcome) => outcome !== "skipped");

/**
 * The meaning of each outcome for counts, halting and resuming. An `unfinished` task runs again when a run resumes. A task
 * that is not run is neither a success nor a failure.
 */
const OUTCOME_KINDS: Readonly<Record<Outcome, "success" | "failure" | "unfinished" | "not-run">> = {
  "ok": "success",
  "failed": "failure",
  "killed": "failure",
  "timeout": "failure",
  "canceled": "unfinished",
  "not-started": "failure",
  "output-limit": "failure",
  "skipped": "not-run",
};

/** Returns true for an outcome that counts as a failure: not `ok`, `canceled` or `skipped`. */
export function isFailure(outcome: Outcome): boolean {
  return OUTCOME_KINDS[outcome] === "failure";
}

/** Returns true for an outcome after which a resumed run runs the task again. */
export function isUnfinished(outcome: Outcome): boolean {
  return OUTCOME_KINDS[outcome] === "unfinished";
}

/** Returns true for an outcome of a task that ran to its end: it counts when a run halts. */
export function hasRunToEnd(outcome: Outcome): boolean {
  return OUTCOME_KINDS[outcome] === "success" || OUTCOME_KINDS[outcome] === "failure";
}

/** An attempt of a task before its last one. The fields mean the same as in {@linkcode TaskResult}. */
export interface EarlierAttempt extends
  Pick<
    TaskResult,
    | "outcome"
    | "status"
    | "signal"
    | "error"
    | "slot"
    | "worker"
    | "startedAt"
    | "durationMs"
    | "userMs"
    | "systemMs"
  > {
  /** The last 2 KiB of standard error. */
  stderrEnd: string;
  /** `base64` when these bytes are not UTF-8. */
  stderrEndEncoding?: "base64" | undefined;
}

/** The maximum number of earlier attempts in a result. */
export const MAX_EARLIER_ATTEMPTS = 100;

/**
 * The result of a task, with its captured output. Fields about an attempt describe the last attempt.
 *
 * `Meta` is the type of {@linkcode TaskResult.meta}.
 */
export interface TaskResult<Meta = unknown> {
  /** The `id` of the task, as a string. */
  id: string;
  /**
   * The exit status, as in a shell: 128+N when signal N ended the task, 124 after a timeout (as with timeout(1)), 127
   * when the program was not found, 126 when it could not start; `null` when the status is unknown.
   */
  status: number | null;
  /** The outcome. */
  outcome: Outcome;
  /** The signal that ended the task, such as `SIGKILL`. */
  signal?: string | undefined;
  /** An explanation in a sentence or two, where the outcome needs one. */
  error?: string | undefined;
  /** The number of attempts; 0 for a skipped task. */
  attempts: number;
  /** The slot of the pool, from 1 to the concurrency: the first of several; 0 for a skipped task. */
  slot: number;
  /** The worker on which the task ran, when an executor distributes tasks. */
  worker?: { host: string; pid: number } | undefined;
  /** The start of the attempt; for a skipped task, the time of the decision: ISO 8601, UTC. */
  startedAt: string;
  /** The duration of the attempt in milliseconds, by a monotonic clock. */
  durationMs: number;
  /** CPU time in user mode, in milliseconds, where the executor knows it. */
  userMs?: number | undefined;
  /** CPU time in the kernel, in milliseconds, where the executor knows it. */
  systemMs?: number | undefined;
  /**
   * The attempts before the last one, the oldest first; absent after a single attempt. Of more than 100 attempts, only the
   * latest 100 are listed; `attempts` counts all.
   */
  earlierAttempts?: readonly EarlierAttempt[] | undefined;
  /** Standard output as far as it was kept: all of it or, with `stdoutFile`, the first part. */
  stdout: string;
  /** `base64` when the bytes are not UTF-8. */
  stdoutEncoding?: "base64" | undefined;
  /** The size in bytes of the kept output, when `stdout` is only the first part. */
  stdoutBytes?: number | undefined;
  /** The path of a file with the kept output, when `stdout` is only the first part. */
  stdoutFile?: string | undefined;
  /** Standard error as far as it was kept: all of it or, with `stderrFile`, the first part. */
  stderr: string;
  /** `base64` when the bytes are not UTF-8. */
  stderrEncoding?: "base64" | undefined;
  /** The size in bytes of the kept output, when `stderr` is only the first part. */
  stderrBytes?: number | undefined;
  /** The path of a file with the kept output, when `stderr` is only the first part. */
  stderrFile?: string | undefined;
  /** The CRC-32 of the command, by which a resumed run notices a changed command. */
  cmdHash?: string | undefined;
  /** The `cmd` of the task, when the run records commands. */
  cmd?: string | readonly string[] | undefined;
  /** The prerequisites of the task, as strings. */
  after?: readonly string[] | undefined;
  /** The `uses` of the task. */
  uses?: Readonly<Record<string, number>> | undefined;
  /** The `slots` of the task, when it needs more than one. */
  slots?: number | undefined;
  /** The `meta` of the task. */
  meta?: Meta | undefined;
}

/** The longest line of a result in bytes: two outputs of 32 MiB at six bytes a character, and room for the rest. */
export const MAX_RESULT_LINE_BYTES = 512 * 1024 * 1024;

/** The longest duration, so that every start in a year of four digits has an end that a `Date` can hold. */
const MAX_DURATION_MS = 8e15;
const MAX_STATUS = 255;
const SIGNAL = /^SIG[A-Z0-9+-]{1,16}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;

const text = v.string("must be a string");
const number = v.number("must be a number");
const integer = v.pipe(number, v.safeInteger("must be an integer"));
const milliseconds = v.pipe(
  number,
  v.minValue(0, "must not be negative"),
  v.maxValue(MAX_DURATION_MS, `must be at most ${MAX_DURATION_MS} milliseconds`),
);
const count = v.pipe(integer, v.minValue(0, "must not be negative"));
const countingNumber = v.pipe(integer, v.minValue(1, "must be at least 1"));
/** An exit status, as a shell reports it. */
export const exitStatus = v.pipe(
  integer,
  v.minValue(0, "must not be negative"),
  v.maxValue(MAX_STATUS, `must be at most ${MAX_STATUS}`),
);
const NO_TIME = "must be a time in ISO 8601 and UTC, such as 2026-01-02T03:04:05.678Z";
const time = v.pipe(text, v.regex(TIME, NO_TIME), v.check(isInCalendar, NO_TIME));
const described = <Schema extends v.GenericSchema>(
  schema: Schema,
  description: string,
) => v.pipe(schema, v.description(description));

const encoding = v.optional(described(v.literal("base64", "must be base64"), "Present when the bytes are not UTF-8."));
const fullSize = v.optional(
  described(count, "The size in bytes of the kept output, when the line has only its first part."),
);
const file = v.optional(
  described(text, "The path of a file with the kept output, when the line has only its first part."),
);

/** The ids of prerequisites. Not a `v.array`, because that reports every element, as for `cmd` of a task. */
const ids = v.pipe(
  v.custom<string[]>((value) => Array.isArray(value), "must be an array of ids"),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const input = dataset.value;
    const key = input.findIndex((id) => typeof id !== "string");
    if (key === -1) return;
    addIssue({
      message: "must be a string",
      path: [{ type: "array", origin: "value", input, key, value: input[key] }],
    });
  }),
);

/** The fields that a result and an earlier attempt have in common. */
const attemptEntries = <Name extends Outcome>(outcomes: readonly Name[], description: string) => ({
  status: described(
    v.nullable(exitStatus),
    "The exit status; 128+N when killed by signal N; 124 after a timeout; 126 or 127 when it could not start; null " +
      "when it is unknown.",
  ),
  outcome: described(v.picklist(outcomes, `must be one of ${outcomes.join(", ")}`), description),
  signal: v.optional(
    described(
      v.pipe(text, v.regex(SIGNAL, "must be a signal such as SIGKILL")),
      "The signal that ended the task, such as SIGKILL.",
    ),
  ),
  error: v.optional(described(text, "An explanation in a sentence or two.")),
  slot: described(countingNumber, "The slot of the pool, from 1."),
  worker: v.optional(v.pipe(
    v.strictObject({
      host: described(text, "The name of the machine."),
      pid: described(count, "The id of the process."),
    }),
    v.description("The worker on which the task ran, when it did not run on the submitting machine."),
  )),
  userMs: v.optional(described(milliseconds, "CPU time in user mode, in milliseconds.")),
  systemMs: v.optional(described(milliseconds, "CPU time in the kernel, in milliseconds.")),
});

/** The definition of an earlier attempt in a result. */
export const earlierAttemptSchema = v.strictObject({
  ...attemptEntries(ATTEMPT_OUTCOMES, "The outcome of the attempt."),
  startedAt: described(time, "The start of the attempt: ISO 8601, UTC."),
  durationMs: described(milliseconds, "The duration of the attempt, in milliseconds."),
  stderrEnd: described(text, "The last 2 KiB of standard error."),
  stderrEndEncoding: encoding,
}) satisfies v.GenericSchema<EarlierAttempt>;

/** Requires that all tasks have attempts, except skipped tasks. */
function attemptsUnlessSkipped<Input extends Pick<TaskResult, "outcome" | "attempts" | "slot">>() {
  return v.rawCheck<Input>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const input = dataset.value;
    const isSkipped = input.outcome === "skipped";
    if (isSkipped === (input.attempts === 0) && isSkipped === (input.slot === 0)) return;
    const key = isSkipped === (input.attempts === 0) ? "slot" : "attempts";
    const message = isSkipped ? "of a skipped task must be 0" : "must be at least 1";
    addIssue({ message, path: [{ type: "object", origin: "value", input: { ...input }, key, value: input[key] }] });
  });
}

const resultFields = v.strictObject({
  id: described(text, "The id of the task."),
  ...attemptEntries(OUTCOMES, "The outcome of the task."),
  attempts: described(count, "The number of attempts; 0 for a skipped task."),
  slot: described(count, "The slot of the pool, from 1, the first of several; 0 for a skipped task."),
  startedAt: described(time, "The start of the last attempt, or the time when the task was skipped: ISO 8601, UTC."),
  durationMs: described(milliseconds, "The duration of the last attempt, in milliseconds."),
  earlierAttempts: v.optional(v.pipe(
    v.array(earlierAttemptSchema, "must be an array of attempts"),
    v.maxLength(MAX_EARLIER_ATTEMPTS, `must have at most ${MAX_EARLIER_ATTEMPTS} attempts`),
    v.description("The attempts before the last one, the oldest first; of more than 100 attempts, the latest 100."),
  )),
  stdout: described(text, "Standard output, or its first part."),
  stdoutEncoding: encoding,
  stdoutBytes: fullSize,
  stdoutFile: file,
  stderr: described(text, "Standard error, or its first part."),
  stderrEncoding: encoding,
  stderrBytes: fullSize,
  stderrFile: file,
  cmdHash: v.optional(
    described(
      text,
      "The CRC-32 of the command: of its text, or of the program and its arguments with a NUL after each.",
    ),
  ),
  cmd: v.optional(
    described(
      v.union([text, v.array(text)], "must be a shell command or an array of a program and its arguments"),
      "The command of the task, when the run records commands.",
    ),
  ),
  after: v.optional(
    described(ids, "The ids of the tasks whose results the task waited for."),
  ),
  uses: v.optional(
    described(resourceUse, "The units of each resource that the task occupied."),
  ),
  slots: v.optional(described(countingNumber, "The number of slots that the task occupied, when more than one.")),
  meta: v.optional(described(v.unknown(), "The meta of the task.")),
});

/** The definition of a result; `result.schema.json` is generated from this schema. */
export const resultSchema = v.pipe(resultFields, attemptsUnlessSkipped()) satisfies v.GenericSchema<TaskResult>;

/** Returns whether a date exists: some runtimes parse February 30 as March 2, and 24:00 as the next day. */
function isInCalendar(text: string): boolean {
  const seconds = text.slice(0, "2026-01-02T03:04:05".length);
  const ms = Date.parse(`${seconds}Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(seconds);
}

/**
 * Checks that a value is a {@linkcode TaskResult}, and returns the same object.
 *
 * @throws `TypeError` for a wrong shape, `RangeError` for a value out of range; the message names the field.
 *
 * @example Read results back
 * ```ts
 * import { parseResult, readJsonLines } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const line = `{"id":"1","status":0,"outcome":"ok","attempts":1,"slot":1,"startedAt":"2026-01-02T03:04:05.678Z",` +
 *   `"durationMs":1.5,"stdout":"hi\\n","stderr":""}\n`;
 * for await (const { value } of readJsonLines([new TextEncoder().encode(line)])) {
 *   assertEquals(parseResult(value).stdout, "hi\n");
 * }
 * ```
 */
export function parseResult(value: unknown): TaskResult {
  const { issues } = v.safeParse(resultSchema, value);
  if (!issues) return value as TaskResult;
  const { problem } = recordProblem(value, issues, Object.keys(resultSchema.entries));
  const TypeOrRangeError = issues[0].kind === "schema" ? TypeError : RangeError;
  throw new TypeOrRangeError(`Cannot read the result: ${problem}`);
}
