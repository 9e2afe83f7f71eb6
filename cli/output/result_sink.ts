import type { TaskResult } from "../../records/result.ts";

/** Receives the results of a run, one after another. */
export interface ResultSink {
  /**
   * Takes a result. Returns a promise when the next result has to wait.
   *
   * @throws (or rejects with) the error of the destination, for this or an earlier result.
   */
  write(result: TaskResult): Promise<void> | undefined;
  /** Waits until the destination has all results. */
  flush(): Promise<void>;
}
