import { readChunks } from "../system/read_chunks.ts";
import { systemCode } from "../system/system_error.ts";
import { ResultIndex } from "./result_index.ts";
import { findResultsEnd, type ResultsEnd } from "./results_end.ts";
import { CANNOT_RESUME, readError } from "./results_file_error.ts";

/** The results in a file. */
export interface RecordedResults {
  index: ResultIndex;
  end: ResultsEnd;
}

/** Options of {@linkcode readRecordedResults}. */
export interface ReadRecordedOptions {
  /** If true, every task whose latest outcome is not `ok` remains to run; otherwise only canceled tasks do. */
  retryFailed: boolean;
  /** A signal that stops the read, which then rejects with the reason of the signal. */
  signal: AbortSignal;
}

/**
 * Reads the complete results of a file, without a lock and without changing the file. A missing file has no results.
 *
 * @throws {ResultsFileError} when the file cannot be read, or a line is not a result.
 */
export async function readRecordedResults(
  path: string,
  { retryFailed, signal }: ReadRecordedOptions,
): Promise<RecordedResults> {
  const index = new ResultIndex(retryFailed);
  try {
    const end = await findResultsEnd(path);
    await index.read(untilAborted(readChunks(path, end.wholeBytes), signal));
    return { index, end };
  } catch (error) {
    signal.throwIfAborted();
    if (systemCode(error) === "ENOENT") return { index, end: { wholeBytes: 0, tornBytes: 0, lacksNewline: false } };
    throw readError(path, error, CANNOT_RESUME);
  }
}

async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void> {
  for await (const value of source) {
    signal.throwIfAborted();
    yield value;
  }
}
