import { addJsonLine, type ByteSink, JsonLinesWriter } from "../../jsonl/jsonl_writer.ts";
import type { ResultSink } from "./result_sink.ts";

/** Returns a sink that writes JSON Lines to standard output. */
export function jsonSink(stdout: ByteSink): ResultSink {
  const writer = new JsonLinesWriter(stdout);
  return { write: (result) => addJsonLine(writer, result), flush: () => writer.flush() };
}
