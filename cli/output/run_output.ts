import type { ByteSink } from "../../jsonl/mod.ts";
import type { PoolOptions } from "../../pool/options.ts";
import type { TaskResult } from "../../records/result.ts";
import type { ResultsFile } from "../../results/results_file.ts";
import type { Io } from "../io.ts";
import type { Display } from "../ui/display.ts";
import { failureNotice } from "./failure_notice.ts";
import { openSinks, type ResultSinks } from "./open_sinks.ts";
import { OrderedOutput, type StandardSinks } from "./ordered_output.ts";
import type { OutputSettings } from "./output_settings.ts";
import type { ResultSink } from "./result_sink.ts";
import { hasSpillFile, SpillFileRemover } from "./spill_files.ts";

/** The standard streams, and a function that writes a message to standard error on a line of its own. */
type OutputStreams = StandardSinks & Pick<Display, "log">;

/** The surroundings of the output. */
interface OutputContext extends Pick<Io, "stdoutIsTerminal" | "stderrIsTerminal"> {
  /** Set to write no notices about failed tasks. */
  readonly isQuiet: boolean;
  /** Set if the directory of spill files is temporary. */
  readonly hasTemporarySpillFiles: boolean;
}

/** Writes the results of a run to standard output and to the results file, and a notice about each failed task. */
export class RunOutput {
  /** The callback for the output of running tasks; undefined if nobody wants it. */
  readonly onOutput: PoolOptions["onOutput"];
  readonly #sinks: readonly ResultSink[];
  readonly #ordered: OrderedOutput;
  readonly #streams: OutputStreams;
  readonly #isText: boolean;
  readonly #isQuiet: boolean;
  /** Absent if a record refers to the spill files. */
  readonly #spillFiles: SpillFileRemover | undefined;

  private constructor(
    ordered: OrderedOutput,
    { sinks, onOutput }: ResultSinks,
    { format }: OutputSettings,
    file: ResultsFile | undefined,
    streams: OutputStreams,
    context: OutputContext,
  ) {
    this.#ordered = ordered;
    this.#sinks = sinks;
    this.onOutput = onOutput;
    this.#streams = streams;
    this.#isText = format === "text";
    this.#isQuiet = context.isQuiet;
    if (!file && format !== "json") this.#spillFiles = new SpillFileRemover(context.hasTemporarySpillFiles);
  }

  /**
   * Opens the output of a run.
   *
   * @param file the open results file, if there is one.
   */
  static async open(
    settings: OutputSettings,
    file: ResultsFile | undefined,
    streams: OutputStreams,
    context: OutputContext,
  ): Promise<RunOutput> {
    const { stdout, stderr } = streams;
    const ordered = new OrderedOutput({ stdout, stderr: settings.format === "text" ? stderr : unfailing(stderr) });
    const sinks = await openSinks(settings, file, ordered, stdout, context);
    return new RunOutput(ordered, sinks, settings, file, streams, context);
  }

  /**
   * Writes a result. Returns a promise when the next result has to wait.
   *
   * @throws (or rejects with) the error of a file or of a standard stream.
   */
  write(result: TaskResult): Promise<void> | undefined {
    const notice = this.#isQuiet ? undefined : failureNotice(result);
    const [sink] = this.#sinks;
    const isSimple = notice === undefined && this.#sinks.length === 1 && !this.#spillFiles;
    return isSimple ? sink!.write(result) : this.#writeAll(result, notice);
  }

  async #writeAll(result: TaskResult, notice: string | Promise<string> | undefined): Promise<void> {
    const line = notice instanceof Promise ? await notice : notice; // before the file with the lines is removed
    for (const sink of this.#sinks) {
      const wait = sink.write(result);
      if (wait) await wait;
    }
    if (line !== undefined) await this.#report(line);
    if (this.#spillFiles && hasSpillFile(result)) await this.#spillFiles.remove(result);
  }

  /** Reports a failed task. After text, the message begins on a line of its own. */
  async #report(line: string): Promise<void> {
    if (!this.#isText) return await this.#ordered.write("stderr", `${line}\n`);
    await this.#ordered.flush();
    await this.#streams.log(line);
  }

  /**
   * Waits until everything is written, after the end of the run.
   *
   * @throws the error of a file or of a standard stream.
   */
  async close(): Promise<void> {
    await this.#spillFiles?.close();
    for (const sink of this.#sinks) await sink.flush();
    await this.#ordered.flush();
  }
}

/** Returns a sink that ignores errors: where only notices go to standard error, their loss must not end a run. */
function unfailing(sink: ByteSink): ByteSink {
  return {
    async write(bytes) {
      try {
        await sink.write(bytes);
      } catch {
        // There is no other place for the notice.
      }
    },
  };
}
