import type { Attempt } from "./executor.ts";
import { LineSplitter, TaskOutput } from "./task_output.ts";

/** Options for the output of running tasks. */
export interface LiveOutputOptions {
  /**
   * Called with each piece of output of a running task, soon after the task has written it: at once with the `process`
   * executor, within a tenth of a second with the `shell` executor. All pieces of an attempt come before its result, those
   * of one stream in order. The result has the output as well. An exception stops the run. Executors of other machines do
   * not have this option.
   */
  onOutput?: ((output: TaskOutput) => void) | undefined;
  /**
   * The pieces: a `line` with its newline (lines of more than 64 KiB come in parts), or a `chunk` as it was read.
   *
   * @default {"line"}
   */
  outputBy?: "line" | "chunk" | undefined;
}

/** Delivers the output of one attempt. */
export class LiveOutput {
  readonly #push: (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
  readonly #splitters: LineSplitter[] = [];

  constructor(attempt: Attempt, outputBy: "line" | "chunk", onOutput: (output: TaskOutput) => void) {
    const deliver = (stream: "stdout" | "stderr") => (bytes: Uint8Array) => {
      onOutput(new TaskOutput(attempt, stream, bytes));
    };
    if (outputBy === "chunk") {
      this.#push = (stream, bytes) => deliver(stream)(bytes);
      return;
    }
    const [stdout, stderr] = [new LineSplitter(deliver("stdout")), new LineSplitter(deliver("stderr"))];
    this.#splitters = [stdout, stderr];
    this.#push = (stream, bytes) => (stream === "stdout" ? stdout : stderr).push(bytes);
  }

  push(stream: "stdout" | "stderr", bytes: Uint8Array): void {
    if (bytes.length > 0) this.#push(stream, bytes);
  }

  /** Delivers last lines without a newline. */
  end(): void {
    for (const splitter of this.#splitters) splitter.flush();
  }
}
