import { indexOfResultsFile, ResultsFile, type ResultsFileOptions } from "../../results/results_file.ts";
import type { ResultIndex } from "../../results/result_index.ts";
import { ResultsFileError } from "../../results/results_file_error.ts";
import { excerpt } from "../../text/excerpt.ts";
import { pluralize } from "../../text/format.ts";
import { abortable } from "../abortable.ts";
import type { Io } from "../io.ts";

/** The results file of a run. */
export interface OpenResults {
  readonly file: ResultsFile;
  /** The results of earlier runs; undefined if the run does not resume them. */
  readonly recorded: ResultIndex | undefined;
}

/** Opens the results file of a run, and reports a missing lock and a repair. */
export async function openResults(path: string, options: ResultsFileOptions, io: Io): Promise<OpenResults> {
  const opening = ResultsFile.open(path, { ...options, signal: io.signal });
  const file = await abortable(opening, io.signal).catch((error) => {
    if (!(error instanceof ResultsFileError) || error.kind !== "not-empty") throw error;
    const remedy = "continue the run with --resume, remove the file, or name another";
    throw new Error(`Cannot write results to ${excerpt(path)}: it is not empty; ${remedy}`, { cause: error });
  });
  if (file.lockProblem) {
    const risk = "a second run could write to it at the same time";
    await io.stderr(`taskrunner: ${path}: the file is not locked, because ${file.lockProblem}; ${risk}`);
  }
  if (file.repairedBytes > 0) {
    const removed = pluralize(file.repairedBytes, "byte");
    await io.stderr(`taskrunner: ${path}: removed an incomplete last line of ${removed}; its task runs again`);
  }
  return { file, recorded: indexOfResultsFile(file) };
}
