import * as v from "valibot";
import type { AttemptStop } from "../executors/mod.ts";
import type { ControlReply, ObjectReference, ResultMessage } from "./protocol.ts";

/** What names an object, or a part of one, in a subject. */
const TOKEN = /^[A-Za-z0-9]{1,64}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const STOPS: readonly AttemptStop[] = ["canceled", "output-limit", "timeout"];

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const milliseconds = v.pipe(v.number(), v.minValue(0));
const optionalText = v.optional(v.string());

const objectSchema = v.object({
  id: v.pipe(v.string(), v.regex(TOKEN)),
  bytes: count,
  sha256: v.pipe(v.string(), v.regex(SHA256)),
});

const outputSchema = v.object({
  text: v.string(),
  encoding: v.optional(v.literal("base64")),
  bytes: v.optional(count),
  object: v.optional(objectSchema),
});

/** Of what a worker says only this is taken: it is believed how a task ended, and nothing else. */
const resultSchema = v.object({
  status: v.nullable(v.pipe(v.number(), v.integer())),
  signal: optionalText,
  notStarted: optionalText,
  lost: optionalText,
  stoppedBy: v.optional(v.picklist(STOPS)),
  place: v.optional(v.object({
    slot: v.pipe(count, v.minValue(1)),
    startedAt: v.pipe(v.string(), v.isoTimestamp()),
    worker: v.object({ host: v.string(), pid: count }),
  })),
  outputError: optionalText,
  durationMs: milliseconds,
  userMs: v.optional(milliseconds),
  systemMs: v.optional(milliseconds),
  stdout: outputSchema,
  stderr: outputSchema,
});

const replySchema = v.object({ running: v.array(v.string()) });

/**
 * Takes from a message what a worker says that it is running.
 *
 * @throws `TypeError` when it says nothing of that.
 */
export function checkReply(value: unknown): ControlReply {
  return check(replySchema, value);
}

/**
 * Takes from a message what a result has.
 *
 * @throws `TypeError` when it is none.
 */
export function checkResult(value: unknown): ResultMessage {
  return check(resultSchema, value) as ResultMessage; // it has no fields that are undefined
}

/**
 * Takes from a message what a reference to an object has.
 *
 * @throws `TypeError` when it is none.
 */
export function checkObject(value: unknown): ObjectReference {
  return check(objectSchema, value);
}

function check<Schema extends v.GenericSchema>(schema: Schema, value: unknown): v.InferOutput<Schema> {
  const { success, issues, output } = v.safeParse(schema, value);
  if (success) return output;
  const [issue] = issues;
  throw new TypeError(`${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
}
