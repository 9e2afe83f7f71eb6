import { filePieces } from "../system/file_pieces.ts";
import { systemCode } from "../system/system_error.ts";
import { ResultIndex } from "../results/result_index.ts";
import { readError } from "./read_error.ts";
import { findResultsEnd, type ResultsEnd } from "./results_end.ts";

/** Reads the results of earlier runs; when there is no such file yet, it has no end. What is torn there is left alone. */
export async function readJournal(
  path: string,
  retryFailed: boolean,
): Promise<{ journal: ResultIndex; end: ResultsEnd | undefined }> {
  const journal = new ResultIndex(retryFailed);
  try {
    const end = await findResultsEnd(path);
    await journal.read(filePieces(path, end.wholeBytes));
    return { journal, end };
  } catch (error) {
    if (systemCode(error) === "ENOENT") return { journal, end: undefined };
    throw readError(path, error, "Cannot resume from");
  }
}
