import type { TaskResult } from "../../records/result.ts";
import { appendOwnResult, type ResultsFile } from "../../results/results_file.ts";
import { ResultsFileError } from "../../results/results_file_error.ts";
import { ClosedOutputError } from "../io.ts";
import type { ResultSink } from "./result_sink.ts";

/** Appends results to a results file. A pipe without a reader counts as a closed standard output. */
export class FileSink implements ResultSink {
  readonly #file: ResultsFile;

  constructor(file: ResultsFile) {
    this.#file = file;
  }

  write(result: TaskResult): Promise<void> {
    return appendOwnResult(this.#file, result).catch(rethrow);
  }

  flush(): Promise<void> {
    return this.#file.flush().catch(rethrow);
  }
}

function rethrow(error: unknown): never {
  throw error instanceof ResultsFileError && error.kind === "closed" ? new ClosedOutputError() : error;
}
