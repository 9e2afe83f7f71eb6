import { InvalidLineError } from "../jsonl/mod.ts";
import { systemCode, systemReason } from "../system/system_error.ts";
import { excerpt } from "../text/excerpt.ts";

/**
 * The reason of a {@linkcode ResultsFileError}:
 *
 * - `locked`: another program writes results to the file
 * - `not-empty`: the file has content, and `resume` is not set
 * - `invalid`: a line is not a result, or a file to resume is not a regular file
 * - `modified`: another program removed, replaced or changed the file after it was opened
 * - `no-space`: the disk is full, or a quota or a limit of the file size is reached
 * - `closed`: the file is a pipe whose reader is gone
 * - `system`: another error of the operating system, which `cause` has
 */
export type ResultsFileErrorKind =
  | "locked"
  | "not-empty"
  | "invalid"
  | "modified"
  | "no-space"
  | "closed"
  | "system";

const KINDS_BY_CODE: Readonly<Record<string, ResultsFileErrorKind>> = {
  EDQUOT: "no-space",
  EFBIG: "no-space",
  ENOSPC: "no-space",
  EPIPE: "closed",
};

/**
 * A results file that cannot be opened, read or written. The message names the file and the reason.
 *
 * @example Wait for another program to finish
 * ```ts
 * import { ResultsFile, ResultsFileError } from "@x/taskrunner";
 *
 * async function openWhenFree(path: string): Promise<ResultsFile> {
 *   for (;;) {
 *     try {
 *       return await ResultsFile.open(path, { resume: true });
 *     } catch (error) {
 *       if (!(error instanceof ResultsFileError && error.kind === "locked")) throw error;
 *       await new Promise((resolve) => setTimeout(resolve, 1_000));
 *     }
 *   }
 * }
 * ```
 */
export class ResultsFileError extends Error {
  /** The name of the class. */
  override name = "ResultsFileError";
  /** The path of the file, as given. */
  readonly path: string;
  /** The reason, for programs. */
  readonly kind: ResultsFileErrorKind;

  /** Creates an error about a file. `action` begins the message, such as `Cannot write results to`. */
  constructor(action: string, path: string, kind: ResultsFileErrorKind, reason: string, options?: ErrorOptions) {
    super(`${action} ${excerpt(path)}: ${reason}`, options);
    this.path = path;
    this.kind = kind;
  }
}

/** The beginning of the message for a file that cannot be resumed. */
export const CANNOT_RESUME = "Cannot resume from";

/** Returns the error for results that cannot be read, with the line that is not a result. */
export function readError(path: string, error: unknown, action = "Cannot read results from"): ResultsFileError {
  if (!(error instanceof InvalidLineError)) return fileError(action, path, error);
  const reason = `${path}:${error.lineNumber}: ${error.problem}`;
  return new ResultsFileError(action, path, "invalid", reason, { cause: error });
}

/** Returns the error for results that cannot be written. */
export function writeError(path: string, error: unknown): ResultsFileError {
  return fileError("Cannot write results to", path, error);
}

function fileError(action: string, path: string, error: unknown): ResultsFileError {
  if (error instanceof ResultsFileError) return error;
  const kind = KINDS_BY_CODE[systemCode(error) ?? ""] ?? "system";
  return new ResultsFileError(action, path, kind, systemReason(error), { cause: error });
}
