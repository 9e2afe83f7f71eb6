import type { ByteSink } from "../../jsonl/mod.ts";
import type { PoolOptions } from "../../pool/options.ts";
import type { ResultsFile } from "../../results/results_file.ts";
import type { Io } from "../io.ts";
import type { OrderedOutput } from "./ordered_output.ts";
import type { OutputSettings } from "./output_settings.ts";
import type { ResultSink } from "./result_sink.ts";

/** The sinks for the results of a run. */
export interface ResultSinks {
  readonly sinks: readonly ResultSink[];
  /** The callback for the output of running tasks; undefined if no sink wants it. */
  readonly onOutput: PoolOptions["onOutput"];
}

/** Opens the sinks that the settings of a run ask for. Loads only their modules. */
export async function openSinks(
  { format, hasTags, byLine, color }: OutputSettings,
  file: ResultsFile | undefined,
  ordered: OrderedOutput,
  stdout: ByteSink,
  terminals: Pick<Io, "stdoutIsTerminal" | "stderrIsTerminal">,
): Promise<ResultSinks> {
  const sinks: ResultSink[] = [];
  if (file) sinks.push((await import("./results_file_sink.ts")).resultsFileSink(file));
  if (format === "json") sinks.push(await openJsonSink(stdout));
  if (format !== "text") return { sinks, onOutput: undefined };
  const tagOf = hasTags ? (await import("./tag.ts")).tagger(color, terminals) : undefined;
  if (!byLine) {
    const { TextSink } = await import("./text_sink.ts");
    return { sinks: [...sinks, new TextSink(ordered, tagOf)], onOutput: undefined };
  }
  const { LineSink } = await import("./line_sink.ts");
  const lines = new LineSink(ordered, tagOf);
  return { sinks: [...sinks, lines], onOutput: lines.take };
}

async function openJsonSink(stdout: ByteSink): Promise<ResultSink> {
  const { addJsonLine, JsonLinesWriter } = await import("../../jsonl/jsonl_writer.ts");
  const writer = new JsonLinesWriter(stdout);
  return { write: (result) => addJsonLine(writer, result), flush: () => writer.flush() };
}
