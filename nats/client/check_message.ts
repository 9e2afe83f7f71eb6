/** Validates messages, and removes unknown fields from valid messages. @module */

import { Buffer } from "node:buffer";
import * as v from "valibot";
import { commonEntries, endedSchemas, NO_OBJECT } from "../../pool/check_attempt_result.ts";
import { MAX_INLINE_BYTES } from "../../executors/mod.ts";
import { excerpt } from "../../text/excerpt.ts";
import { earlierAttemptSchema } from "../../records/result.ts";
import { MAX_TIMEOUT_MS, taskSchema } from "../../records/task.ts";
import { ACK_WAIT_MS } from "./options.ts";
import {
  type ControlMessage,
  type ControlReply,
  type Message,
  PROTOCOL_VERSION,
  type RemoteOutput,
  type ResultMessage,
  type RunConfig,
  type TaskMessage,
} from "./protocol.ts";

/** The id of an object, which becomes a part of a subject. */
const TOKEN = /^[A-Za-z0-9]{1,64}$/;
const SHA256 = /^[0-9a-f]{64}$/;
/** Longer than any error message, and far too short to fill a line of results. */
const MAX_SENTENCE_LENGTH = 64 * 1024;
const MAX_HOST_LENGTH = 255;

/** The largest size of a result without its outputs. As JSON, a character can take six bytes. */
const FRAME_BYTES = 4 * 1024 ** 2;

const anyText = v.string("must be a string");
const text = v.pipe(anyText, v.check((text) => text.isWellFormed(), "must not contain a lone surrogate"));
const sentence = v.pipe(text, v.maxLength(MAX_SENTENCE_LENGTH, `must have at most ${MAX_SENTENCE_LENGTH} characters`));
const number = v.pipe(v.number("must be a number"), v.minValue(0, "must not be negative"));
const count = v.pipe(number, v.safeInteger("must be an integer"));
const timer = v.pipe(number, v.maxValue(MAX_TIMEOUT_MS, `must be at most ${MAX_TIMEOUT_MS} milliseconds`));

const objectSchema = v.object({
  id: v.pipe(text, v.regex(TOKEN, "must be 1 to 64 letters and digits")),
  bytes: count,
  sha256: v.pipe(text, v.regex(SHA256, "must be 64 hexadecimal digits")),
}, NO_OBJECT);

const outputSchema = v.object({
  text,
  encoding: v.optional(v.literal("base64", "must be base64")),
  bytes: v.optional(count),
  object: v.optional(objectSchema),
}, NO_OBJECT);

const { slot, startedAt } = earlierAttemptSchema.entries;

/** The endings that a worker can record. */
const { exited, signaled, spawnFailed, lost } = endedSchemas(sentence);
const endingSchema = v.variant(
  "kind",
  [exited, signaled, spawnFailed, lost],
  "must be one of exited, signaled, spawn-failed, lost",
);

const attemptResultSchema = v.object({
  ending: v.pipe(v.looseObject({}, NO_OBJECT), endingSchema),
  ...commonEntries,
  place: v.optional(v.object({
    slot,
    startedAt,
    worker: v.object({
      host: v.pipe(text, v.maxLength(MAX_HOST_LENGTH, `must have at most ${MAX_HOST_LENGTH} characters`)),
      pid: count,
    }, NO_OBJECT),
  }, NO_OBJECT)),
  outputError: v.optional(sentence),
  stdout: outputSchema,
  stderr: outputSchema,
}, NO_OBJECT);

const referenceSchema = v.object({ object: objectSchema }, NO_OBJECT);
const keys = v.array(text, "must be an array");
const replySchema = v.object({ running: keys, returned: v.optional(keys) }, NO_OBJECT);
const controlSchema = v.object({ killAfterMs: v.optional(timer) }, NO_OBJECT);

const taskMessageSchema = v.object({
  task: taskSchema,
  id: anyText,
  number: v.pipe(count, v.minValue(1, "must be at least 1")),
  timeoutMs: taskSchema.entries.timeoutMs,
}, NO_OBJECT);

const configSchema = v.object({
  version: v.literal(PROTOCOL_VERSION, `must be ${PROTOCOL_VERSION}`),
  shell: v.pipe(text, v.minLength(1, "must not be empty")),
  maxInlineBytes: v.pipe(count, v.maxValue(MAX_INLINE_BYTES, `must be at most ${MAX_INLINE_BYTES}`)),
  maxOutputBytes: v.nullable(count),
  ackWaitMs: v.pipe(timer, v.minValue(ACK_WAIT_MS.min, `must be at least ${ACK_WAIT_MS.min}`)),
  killAfterMs: timer,
}, NO_OBJECT);

/** The limits for the outputs of a run. */
export type OutputLimits = Pick<RunConfig, "maxInlineBytes" | "maxOutputBytes">;

/**
 * Validates a reply to a control message.
 *
 * @throws `TypeError` when the value is not a reply.
 */
export function checkReply(value: unknown): ControlReply {
  return check(replySchema, value);
}

/**
 * Validates a control message.
 *
 * @throws `TypeError` when the value is not a control message.
 */
export function checkControl(value: unknown): ControlMessage {
  return check(controlSchema, value);
}

/**
 * Validates the settings of a run.
 *
 * @throws `TypeError` when a setting is missing or out of range.
 */
export function checkConfig(value: unknown): RunConfig {
  return check(configSchema, value);
}

/**
 * Validates a task message.
 *
 * @throws `TypeError` when the value is not a task message.
 */
export function checkTaskMessage(value: unknown): TaskMessage {
  return check(taskMessageSchema, value);
}

/**
 * Validates a result, within the limits of its run.
 *
 * @throws `TypeError` when the value is not a result, or its output is larger than the limits.
 */
export function checkResult(value: unknown, limits: OutputLimits): ResultMessage {
  const result = check(attemptResultSchema, value) as ResultMessage; // JSON has no undefined fields
  checkOutput("stdout", result.stdout, limits);
  checkOutput("stderr", result.stderr, limits);
  return result;
}

/** Returns the largest size of a result within the limits of its run, as JSON. */
export function maxResultBytes({ maxInlineBytes }: OutputLimits): number {
  return 2 * 6 * maxInlineBytes + FRAME_BYTES;
}

/**
 * Validates the envelope of a message: its value, which is not checked, or a reference to an object.
 *
 * @throws `TypeError` when the message has neither.
 */
export function checkMessage(value: unknown): Message<unknown> {
  const hasValue = typeof value === "object" && value !== null && Object.hasOwn(value, "value");
  return hasValue ? { value: (value as { value: unknown }).value } : check(referenceSchema, value);
}

/** Checks an output: whole, or its first part with the full size; in either case within the limits. */
function checkOutput(name: string, output: RemoteOutput, { maxInlineBytes, maxOutputBytes }: OutputLimits): void {
  const { text, encoding, bytes, object } = output;
  const fail = (what: string) => {
    throw new TypeError(`"${name}" ${what}`);
  };
  if (text.length > Math.ceil(maxInlineBytes / 3) * 4) fail(`must have at most ${maxInlineBytes} bytes in a result`);
  const decoded = encoding && Buffer.from(text, encoding);
  if (decoded?.toString("base64") !== (encoding && text)) fail("must be base64");
  const inlineBytes = decoded?.length ?? Buffer.byteLength(text);
  if (inlineBytes > maxInlineBytes) fail(`must have at most ${maxInlineBytes} bytes in a result, got ${inlineBytes}`);
  const allBytes = bytes ?? inlineBytes;
  if (allBytes < inlineBytes) {
    fail(`must have at most its full size of ${allBytes} bytes in a result, got ${inlineBytes}`);
  }
  const most = maxOutputBytes ?? Infinity;
  if (allBytes > most) fail(`must have at most ${most} bytes, got ${allBytes}`);
  if (object && object.bytes !== bytes) fail(`must have the size of its object, ${object.bytes} bytes, got ${bytes}`);
}

function check<Schema extends v.GenericSchema>(schema: Schema, value: unknown): v.InferOutput<Schema> {
  const { success, issues, output } = v.safeParse(schema, value, { abortEarly: true });
  if (success) return output;
  const [{ type, path, expected, message }] = issues;
  const name = path ? excerpt(path.map(({ key }) => key).join(".")) : "it";
  const got = path ? path.at(-1)!.value : value;
  if (path && expected === "never") throw new TypeError(`${name} is unknown`);
  if (path && got === undefined && expected?.startsWith('"')) throw new TypeError(`${name} is missing`);
  // The schema of a task leaves this message to the code that reports an invalid line.
  throw new TypeError(`${name} ${type === "strict_object" ? NO_OBJECT : message}, got ${excerpt(got)}`);
}
