/** Validates what executors report, because a malformed report must end a run with an error instead of breaking it. @module */

import * as v from "valibot";
import { earlierAttemptSchema, exitStatus, resultSchema } from "../records/result.ts";
import { excerpt } from "../text/excerpt.ts";
import type { AttemptEnding, AttemptResult, AttemptStop } from "./executor.ts";

export const NO_OBJECT = "must be an object";
const STOPS: readonly AttemptStop[] = ["canceled", "output-limit", "timeout"];

const text = v.string("must be a string");
/** The fields that are copied to the result of the task, so the same rules apply. */
const { signal, slot, startedAt, durationMs, userMs, systemMs } = earlierAttemptSchema.entries;
const { stdoutBytes } = resultSchema.entries;

/** The fields of an attempt that a worker reports as this program does. */
export const commonEntries = {
  stoppedBy: v.optional(v.picklist(STOPS, `must be one of ${STOPS.join(", ")}`)),
  durationMs,
  userMs,
  systemMs,
};

const signalStatus = v.nullable(v.pipe(exitStatus, v.minValue(1, "must be at least 1")));
const spawnStatus = v.picklist([126, 127], "must be 126 or 127");

/** Returns the schemas of endings that have a result, by kind. `reason` is the schema of an explanation. */
export function endedSchemas<Reason extends v.GenericSchema<string>>(reason: Reason) {
  return {
    exited: v.object({ kind: v.literal("exited"), status: exitStatus }),
    signaled: v.object({ kind: v.literal("signaled"), signal: signal.wrapped, status: signalStatus }),
    spawnFailed: v.object({ kind: v.literal("spawn-failed"), status: spawnStatus, reason }),
    lost: v.object({ kind: v.literal("lost"), reason }),
  };
}

const { exited, signaled, spawnFailed, lost } = endedSchemas(text);
const noResources = v.object({ kind: v.literal("no-resources"), reason: text });
const withdrawn = v.object({ kind: v.literal("withdrawn") });
const KINDS = [
  "exited",
  "signaled",
  "spawn-failed",
  "no-resources",
  "lost",
  "withdrawn",
] as const satisfies readonly AttemptEnding[
  "kind"
][];

const endingSchema = v.variant(
  "kind",
  [exited, signaled, spawnFailed, noResources, lost, withdrawn],
  `must be one of ${KINDS.join(", ")}`,
);

const workerSchema = v.object({ host: text, pid: stdoutBytes.wrapped }, NO_OBJECT);

const outputSchema = v.object({
  text,
  encoding: v.optional(v.literal("base64", "must be base64")),
  bytes: stdoutBytes,
  file: v.optional(text),
}, NO_OBJECT);

const attemptResultSchema = v.object({
  ending: v.pipe(v.looseObject({}, NO_OBJECT), endingSchema),
  ...commonEntries,
  place: v.optional(v.object({ slot, startedAt, worker: workerSchema }, NO_OBJECT)),
  outputError: v.optional(text),
  stdout: outputSchema,
  stderr: outputSchema,
}, NO_OBJECT);

/**
 * Validates the result of an attempt, and returns a copy with its known fields. The getters of the copy cannot throw.
 *
 * @throws `TypeError` when a field is missing, invalid or unreadable; the message names the field.
 */
export function checkAttemptResult(value: unknown): AttemptResult {
  const { issues, output } = v.safeParse(attemptResultSchema, value, { abortEarly: true });
  if (!issues) return output as AttemptResult; // the types differ only in fields that are undefined instead of absent
  const [{ path, message }] = issues;
  const got = path ? path.at(-1)!.value : value;
  const name = path ? excerpt(path.map(({ key }) => key).join(".")) : "it";
  const problem = path && got === undefined ? "is missing" : `${message}, got ${excerpt(got)}`;
  throw new TypeError(`Cannot read the result of the attempt: ${name} ${problem}`);
}
