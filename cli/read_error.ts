import { excerpt } from "../text/excerpt.ts";
import { systemReason } from "../system/system_error.ts";
import { InvalidLineError } from "../jsonl/mod.ts";

/** The error for a file of results that could not be read, with the line where it is not right. */
export function readError(path: string, error: unknown, action = "Cannot read results from"): Error {
  const reason = error instanceof InvalidLineError
    ? `${path}:${error.lineNumber}: ${error.problem}`
    : systemReason(error);
  return new Error(`${action} ${excerpt(path)}: ${reason}`, { cause: error });
}
