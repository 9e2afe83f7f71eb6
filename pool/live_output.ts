import type { Attempt } from "./executor.ts";
import { LineSplitter, TaskOutput } from "./task_output.ts";

/** Options for the live output of tasks. */
export interface LiveOutputOptions {
  /**
   * Called with each piece of output of a running task: immediately with the `process` executor, within about 100
   * milliseconds with the `shell` executor. All pieces of an attempt arrive before its result, and those of one stream in
   * order. The result contains the output as well. An error thrown by the callback stops the run. Not available with
   * executors for other machines.
   *
   * @default no callback
   */
  onOutput?: ((output: TaskOutput) => void) | undefined;
  /**
   * The unit of pieces: a `line` with its newline (in parts when longer than 64 KiB), or a `chunk` as it was read.
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

  /** Delivers the last lines, if they have no newline. */
  end(): void {
    for (const splitter of this.#splitters) splitter.flush();
  }
}
