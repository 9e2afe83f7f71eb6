import { appendOwnResult, type ResultsFile } from "../../results/results_file.ts";
import { ResultsFileError } from "../../results/results_file_error.ts";
import { ClosedOutputError } from "../io.ts";
import type { ResultSink } from "./result_sink.ts";

/** Returns a sink that appends to a results file. A pipe without a reader counts as a closed standard output. */
export function resultsFileSink(file: ResultsFile): ResultSink {
  const rethrow = (error: unknown): never => {
    throw error instanceof ResultsFileError && error.kind === "closed" ? new ClosedOutputError() : error;
  };
  return {
    write(result) {
      try {
        return appendOwnResult(file, result)?.catch(rethrow);
      } catch (error) {
        rethrow(error);
      }
    },
    flush: () => file.flush().catch(rethrow),
  };
}
