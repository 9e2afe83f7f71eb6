/**
 * The output record: a task always gives exactly one, as one line of JSON.
 *
 * @module
 */

import * as v from "valibot";
import { recordProblem } from "./record_problem.ts";

/**
 * What became of a task. The first that applies, in this order:
 *
 * - `canceled`: the run was stopped while the task ran, or before it could be tried again
 * - `timeout`: the last attempt took longer than `timeoutMs`
 * - `output-limit`: it printed more than it may to one of its outputs, of which only so much was kept
 * - `not-started`: the program or the working directory could not be found or used; nothing ran
 * - `killed`: a signal ended it, or nobody saw how it ended (then `error` says why)
 * - `failed`: its exit status is not 0, or its output could not be kept (then `error` says so)
 * - `ok`: its exit status is 0
 */
export type Outcome = "ok" | "failed" | "killed" | "timeout" | "canceled" | "not-started" | "output-limit";

/** All outcomes, the good one first. */
export const OUTCOMES = [
  "ok",
  "failed",
  "killed",
  "timeout",
  "canceled",
  "not-started",
  "output-limit",
] as const satisfies readonly Outcome[];

/** What became of a task, with all that it printed. Fields about an attempt are about the last one. */
export interface TaskResult<Meta = unknown> {
  /** The `id` of the task, as a string. */
  id: string;
  /**
   * Exit status, as a shell gives it: 128+N when signal N ended the task, 124 on timeout (as timeout(1)), 127 when the
   * program was not found and 126 when it could not be started, `null` when it is
   * not known.
   */
  status: number | null;
  /** What became of it, in one word. */
  outcome: Outcome;
  /** The signal that ended it, such as `SIGKILL`. */
  signal?: string | undefined;
  /** What there is to say, in a sentence or two. */
  error?: string | undefined;
  /** How many times it was started. */
  attempts: number;
  /** Which place of the pool it had, from 1 to the concurrency. */
  slot: number;
  /** Who ran it, when that was another process than the one which wanted it. */
  worker?: { host: string; pid: number } | undefined;
  /** When it was started: ISO 8601, UTC. */
  startedAt: string;
  /** How long it ran, in milliseconds, by a clock that never goes back. */
  durationMs: number;
  /** CPU time in user mode, in milliseconds, where the executor can tell. */
  userMs?: number | undefined;
  /** CPU time in the kernel, in milliseconds, where the executor can tell. */
  systemMs?: number | undefined;
  /** What was kept of what it printed to standard output: all or, when `stdoutFile` is there, the first part. */
  stdout: string;
  /** `base64` when the bytes are not UTF-8. */
  stdoutEncoding?: "base64" | undefined;
  /** The size of all that was kept, when `stdout` is only the first part. */
  stdoutBytes?: number | undefined;
  /** The file with all that was kept, when `stdout` is only the first part. */
  stdoutFile?: string | undefined;
  /** What was kept of what it printed to standard error: all or, when `stderrFile` is there, the first part. */
  stderr: string;
  /** `base64` when the bytes are not UTF-8. */
  stderrEncoding?: "base64" | undefined;
  /** The size of all that was kept, when `stderr` is only the first part. */
  stderrBytes?: number | undefined;
  /** The file with all that was kept, when `stderr` is only the first part. */
  stderrFile?: string | undefined;
  /** The CRC-32 of the command, by which a run that is resumed notices that it is another one. */
  cmdHash?: string | undefined;
  /** The `meta` of the task, when it has one. */
  meta?: Meta | undefined;
}

/** The longest line of a result: two outputs of 32 MiB, of which each byte takes six, and much for the rest. */
export const MAX_RESULT_LINE_BYTES = 512 * 1024 * 1024;

/** The longest duration: one that begins in any year of four digits ends at a time that a `Date` can hold. */
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
/** An exit status as a shell gives it. */
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

const encoding = v.optional(described(v.literal("base64", "must be base64"), "There when the bytes are not UTF-8."));
const fullSize = v.optional(
  described(count, "The size of all that was kept, when only the first part stands in the line."),
);
const file = v.optional(
  described(text, "The file with all that was kept, when only the first part stands in the line."),
);

/** The one source of what a result is: `result.schema.json` is generated from it. */
export const resultSchema = v.strictObject({
  id: described(text, "The id of the task."),
  status: described(
    v.nullable(exitStatus),
    "Exit status; 128+N when killed by signal N; 124 on timeout; 126 or 127 when it could not be started; null when " +
      "it is not known.",
  ),
  outcome: described(v.picklist(OUTCOMES, `must be one of ${OUTCOMES.join(", ")}`), "What became of the task."),
  signal: v.optional(
    described(
      v.pipe(text, v.regex(SIGNAL, "must be a signal such as SIGKILL")),
      "The signal that ended it, such as SIGKILL.",
    ),
  ),
  error: v.optional(described(text, "What there is to say, in a sentence or two.")),
  attempts: described(countingNumber, "How many times it was started."),
  slot: described(countingNumber, "Which place of the pool it had, from 1."),
  worker: v.optional(v.pipe(
    v.strictObject({
      host: described(text, "The name of its machine."),
      pid: described(count, "Its process."),
    }),
    v.description("Who ran it, when that was another process than the one which wanted it."),
  )),
  startedAt: described(time, "When the last attempt was started: ISO 8601, UTC."),
  durationMs: described(milliseconds, "How long the last attempt took, in milliseconds."),
  userMs: v.optional(described(milliseconds, "CPU time in user mode, in milliseconds.")),
  systemMs: v.optional(described(milliseconds, "CPU time in the kernel, in milliseconds.")),
  stdout: described(text, "What it printed to standard output, or the first part of it."),
  stdoutEncoding: encoding,
  stdoutBytes: fullSize,
  stdoutFile: file,
  stderr: described(text, "What it printed to standard error, or the first part of it."),
  stderrEncoding: encoding,
  stderrBytes: fullSize,
  stderrFile: file,
  cmdHash: v.optional(described(text, "CRC-32 of the command: of its text, or of each argument with a NUL after it.")),
  meta: v.optional(described(v.unknown(), "As the task has it.")),
}) satisfies v.GenericSchema<TaskResult>;

/** Some runtimes take February 30 for March 2, and 24:00 for the next day. */
function isInCalendar(text: string): boolean {
  const seconds = text.slice(0, "2026-01-02T03:04:05".length);
  const ms = Date.parse(`${seconds}Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(seconds);
}

/**
 * Checks that a value is a {@linkcode TaskResult}, and returns it as it is.
 *
 * @throws `TypeError` or `RangeError` when it is not; the message names the field.
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
