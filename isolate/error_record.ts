/** Errors as JSON, so that they keep their class on the way from the process that runs the tasks. @module */

import * as v from "valibot";
import { ExecutorError, ResourceShortageError } from "../pool/errors.ts";
import { InvalidTaskError } from "../records/invalid_task_error.ts";
import { InvalidLineError } from "../jsonl/line_reader.ts";
import { systemCode } from "../system/system_error.ts";

/** The number of causes that an error keeps. */
const MAX_CAUSES = 8;

const text = v.string("must be a string");
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const cause = v.optional(v.lazy((): v.GenericSchema<ErrorRecord> => errorRecordSchema));

/** Errors of a class with fields of its own. */
const recordSchemas = [
  v.strictObject({
    name: v.literal("InvalidTaskError"),
    problem: text,
    field: v.optional(text),
    number: v.optional(count),
    lineNumber: v.optional(count),
    cause,
  }),
  v.strictObject({ name: v.literal("InvalidLineError"), problem: text, lineNumber: count, cause }),
  v.strictObject({
    name: v.pipe(text, v.notValue("InvalidTaskError"), v.notValue("InvalidLineError")),
    message: text,
    code: v.optional(text),
    cause,
  }),
] as const;

/** An error as a value of JSON. */
export type ErrorRecord =
  | {
    name: "InvalidTaskError";
    problem: string;
    field?: string | undefined;
    number?: number | undefined;
    lineNumber?: number | undefined;
    cause?: ErrorRecord | undefined;
  }
  | { name: "InvalidLineError"; problem: string; lineNumber: number; cause?: ErrorRecord | undefined }
  | { name: string; message: string; code?: string | undefined; cause?: ErrorRecord | undefined };

/** The schema of an {@linkcode ErrorRecord}. */
export const errorRecordSchema: v.GenericSchema<ErrorRecord> = v.union(recordSchemas, "must be an error");

/** Converts an error, with its causes as far as they are errors, to JSON. */
export function toErrorRecord(error: unknown, causes = MAX_CAUSES): ErrorRecord {
  const { name, message, cause: inner } = error instanceof Error ? error : new Error(String(error));
  const cause = inner instanceof Error && causes > 0 ? { cause: toErrorRecord(inner, causes - 1) } : {};
  if (error instanceof InvalidTaskError) {
    const { problem, field, number, lineNumber } = error;
    return { name: "InvalidTaskError", problem, field, number, lineNumber, ...cause };
  }
  if (error instanceof InvalidLineError) {
    const { problem, lineNumber } = error;
    return { name: "InvalidLineError", problem, lineNumber, ...cause };
  }
  const code = systemCode(error);
  return { name, message, ...(typeof code === "string" && { code }), ...cause }; // the code of a DOMException is a number
}

/** Classes by name; all others become an `Error` with that name. */
const CLASSES: ReadonlyMap<string, new (message: string, options?: ErrorOptions) => Error> = new Map([
  ["ExecutorError", ExecutorError],
  ["RangeError", RangeError],
  ["ResourceShortageError", ResourceShortageError],
  ["SyntaxError", SyntaxError],
  ["TypeError", TypeError],
]);

/** Converts a checked record back to an error of the same class. */
export function fromErrorRecord(record: ErrorRecord): Error {
  const cause = record.cause && fromErrorRecord(record.cause);
  const options = cause && { cause };
  if ("problem" in record) {
    if (record.name === "InvalidLineError") return new InvalidLineError(record.lineNumber!, record.problem, options);
    return new InvalidTaskError(record.problem, { ...record, cause });
  }
  const { name, message, code } = record;
  const ErrorClass = CLASSES.get(name);
  const error = new (ErrorClass ?? Error)(message, options);
  if (!ErrorClass) error.name = name;
  return code === undefined ? error : Object.assign(error, { code });
}
