import { stat } from "node:fs/promises";
import { excerpt } from "../text/excerpt.ts";
import { readChunks } from "../system/read_chunks.ts";
import { readSpecialFile } from "../system/special_file.ts";
import type { Source } from "../jsonl/source.ts";
import type { TaskResult } from "../records/result.ts";
import { readResults, type ResultFacts } from "../results/statistics/results_reader.ts";
import type { Io } from "./io.ts";
import { findResultsEnd } from "../results/results_end.ts";
import { readError } from "../results/results_file_error.ts";
import type { Flags } from "./args/flags.ts";
import { UsageError } from "./args/usage_error.ts";

/** A command that looks at results. */
export interface ResultsCommand {
  command: "report" | "stats" | "trace" | "watch";
  flags: Flags;
  operands: readonly string[];
}

/**
 * The file of results that a command is about; `-` is standard input.
 *
 * @throws {UsageError} when there is not just one, or with a flag that means nothing here.
 */
export function resultsPath(
  { command, flags, operands }: ResultsCommand,
  ownFlags: readonly (keyof Flags)[],
): string {
  const foreign = Object.keys(flags).find((flag) => flag !== "quiet" && !ownFlags.includes(flag as keyof Flags));
  if (foreign !== undefined) throw new UsageError(`--${foreign} means nothing to taskrunner ${command}`);
  if (operands.length === 1) return operands[0]!;
  const given = operands.length === 0 ? "none" : operands.map(excerpt).join(" and ");
  throw new UsageError(`Name one file of results, as in taskrunner ${command} RESULTS.jsonl; got ${given}`);
}

/** Reads a file of results. A line at its end that is not whole, as of a run that goes on, is passed over, and that is said. */
export async function readResultsFrom(
  path: string,
  io: Io,
  onResult: (facts: ResultFacts, result: () => TaskResult) => void,
): Promise<void> {
  try {
    await readResults(path === "-" ? io.stdin() : await openResults(path, io), onResult);
  } catch (error) {
    throw readError(path, error);
  }
}

async function openResults(path: string, io: Io): Promise<Source<Uint8Array>> {
  const status = await stat(path);
  if (status.isDirectory()) throw new Error("it is a directory, not a file of results");
  if (!status.isFile()) return readSpecialFile(path, io.signal);
  const { wholeBytes, tornBytes } = await findResultsEnd(path);
  if (tornBytes > 0) {
    await io.stderr(
      `taskrunner: ${path}: ${tornBytes} bytes of an unfinished line at the end are passed over`,
    );
  }
  return readChunks(path, wholeBytes);
}

/** The error for a file that has none. */
export function noResults(path: string): Error {
  return new Error(`There are no results in ${path === "-" ? "standard input" : excerpt(path)}`);
}
