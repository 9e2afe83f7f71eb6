import { stat } from "node:fs/promises";
import { excerpt } from "../text/excerpt.ts";
import { pluralize } from "../text/format.ts";
import { readChunks } from "../system/read_chunks.ts";
import { readSpecialFile } from "../system/special_file.ts";
import type { Source } from "../jsonl/source.ts";
import type { TaskResult } from "../records/result.ts";
import { readResults, type ResultFacts } from "../results/statistics/results_reader.ts";
import type { Io } from "./io.ts";
import { findResultsEnd } from "../results/results_end.ts";
import { readError } from "../results/results_file_error.ts";

/**
 * Reads a results file, or standard input for the path `-`. Skips an incomplete last line, as a run in progress may leave
 * one, with a message.
 */
export async function readResultsFrom(
  path: string,
  io: Io,
  onResult: (facts: ResultFacts, result: () => TaskResult) => void,
): Promise<void> {
  try {
    await readResults((await openResultsSource(path, io)).open(), onResult);
  } catch (error) {
    throw readError(path, error);
  }
}

/** The bytes of results. */
interface ResultsSource {
  /** Set if the bytes can be read twice. */
  readonly isRepeatable: boolean;
  open(): Source<Uint8Array>;
}

/**
 * Returns the bytes of a results file; of standard input for the path `-`. Leaves out an incomplete last line, with a
 * message.
 *
 * @throws the error of the system.
 */
export async function openResultsSource(path: string, io: Io): Promise<ResultsSource> {
  if (path === "-") return { isRepeatable: false, open: () => io.stdin() };
  const status = await stat(path);
  if (status.isDirectory()) throw new Error("it is a directory, not a results file");
  if (!status.isFile()) return { isRepeatable: false, open: () => readSpecialFile(path, io.signal) };
  const { wholeBytes, tornBytes } = await findResultsEnd(path);
  if (tornBytes > 0) {
    await io.stderr(`taskrunner: ${path}: skipped an incomplete last line of ${pluralize(tornBytes, "byte")}`);
  }
  return { isRepeatable: true, open: () => readChunks(path, wholeBytes) };
}

/** Returns the error for a file without results. */
export function noResults(path: string): Error {
  return new Error(`Cannot read results from ${path === "-" ? "standard input" : excerpt(path)}: there are none`);
}
