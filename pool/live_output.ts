import type { Attempt } from "./executor.ts";
import { LineSplitter, TaskOutput } from "./task_output.ts";

/** Options for the live output of tasks. */
export interface LiveOutputOptions {
  /**
   * Called with each piece of output of a running task: immediately with the `process` executor, within about 100
   * milliseconds with the `shell` executor. All pieces of an attempt arrive before its result, and those of one stream in
   * order. The result contains the output as well. The callback may return a promise, which delays further output of the
   * task: a task that prints faster than the callback takes pieces waits, or its output is kept in a file. An error of the
   * callback stops the run. Not available with executors for other machines.
   *
   * @default no callback
   */
  onOutput?: ((output: TaskOutput) => unknown) | undefined;
  /**
   * The unit of pieces: a `line` with its newline (in parts when longer than 64 KiB), all whole `lines` that were read
   * together, or a `chunk` as it was read. `lines` is faster for tasks that print many lines.
   *
   * @default {"line"}
   */
  outputBy?: "line" | "lines" | "chunk" | undefined;
}

/** Delivers the output of one attempt. */
export class LiveOutput {
  readonly #push: (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
  readonly #splitters: LineSplitter[] = [];
  /** Promises of the receivers of the latest pieces. */
  #pauses: Promise<void>[] = [];

  /** @param onOutput Called with each piece. May return a promise that never rejects; further output waits for it. */
  constructor(
    attempt: Attempt,
    outputBy: "line" | "lines" | "chunk",
    onOutput: (output: TaskOutput) => Promise<void> | undefined,
  ) {
    const deliver = (stream: "stdout" | "stderr") => (bytes: Uint8Array, continues = false) => {
      const pause = onOutput(new TaskOutput(attempt, stream, bytes, continues));
      if (pause) this.#pauses.push(pause);
    };
    if (outputBy === "chunk") {
      this.#push = (stream, bytes) => deliver(stream)(bytes);
      return;
    }
    const [stdout, stderr] = [deliver("stdout"), deliver("stderr")].map((onLine) =>
      new LineSplitter(onLine, outputBy === "lines")
    );
    this.#splitters = [stdout!, stderr!];
    this.#push = (stream, bytes) => (stream === "stdout" ? stdout! : stderr!).push(bytes);
  }

  /** Delivers output. Returns a promise when further output has to wait. */
  push(stream: "stdout" | "stderr", bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length > 0) this.#push(stream, bytes);
    return this.#takePause();
  }

  /** Delivers the last lines, if they have no newline. Returns a promise as {@linkcode push} does. */
  end(): Promise<void> | undefined {
    for (const splitter of this.#splitters) splitter.flush();
    return this.#takePause();
  }

  #takePause(): Promise<void> | undefined {
    if (this.#pauses.length === 0) return undefined;
    const pauses = this.#pauses;
    this.#pauses = [];
    return Promise.all(pauses).then(() => {});
  }
}
