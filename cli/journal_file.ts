import { filePieces } from "../internal/file_pieces.ts";
import { systemCode } from "../internal/system_error.ts";
import { Journal, type JournalOptions } from "../journal.ts";
import { readError } from "./read_error.ts";
import { findResultsEnd, type ResultsEnd } from "./results_end.ts";

/** Reads the results of earlier runs; when there is no such file yet, it has no end. What is torn there is left alone. */
export async function readJournal(
  path: string,
  options: JournalOptions,
): Promise<{ journal: Journal; end: ResultsEnd | undefined }> {
  try {
    const end = await findResultsEnd(path);
    const results = filePieces(path, end.wholeBytes);
    return { journal: await Journal.read(results, options), end };
  } catch (error) {
    if (systemCode(error) === "ENOENT") return { journal: await Journal.read([], options), end: undefined };
    throw readError(path, error, "Cannot resume from");
  }
}
