import { printableJson } from "../../text/excerpt.ts";
import { ChromeTrace } from "../../report/chrome_trace.ts";
import { GeneratedFile } from "../generated_file.ts";
import type { Io } from "../io.ts";
import { noResults, readResultsFrom, type ResultsCommand, resultsPath } from "../results_input.ts";

/** How much text is written at once. */
const PIECE_CHARACTERS = 256 * 1024;
const BEGIN = '{"otherData":{"tool":"taskrunner"';

/** `trace RESULTS.jsonl`: the run as a trace that Perfetto and chrome://tracing show. */
export async function writeTrace(invocation: ResultsCommand, io: Io): Promise<number> {
  const path = resultsPath(invocation, ["output"]);
  const trace = new ChromeTrace();
  await readResultsFrom(path, io, (result) => trace.add(result));
  if (trace.results === 0) throw noResults(path);
  const kind = { name: "a trace", begin: BEGIN };
  await GeneratedFile.with(invocation.flags.output, kind, io, (file) => writeEvents(trace, file));
  return 0;
}

async function writeEvents(trace: ChromeTrace, file: GeneratedFile): Promise<void> {
  const startedAt = new Date(trace.startedMs).toISOString();
  let text = `${BEGIN},"startedAt":"${startedAt}"},"displayTimeUnit":"ms","traceEvents":[`;
  let separator = "\n";
  for (const event of trace.events()) {
    text += separator + printableJson(event);
    separator = ",\n";
    if (text.length < PIECE_CHARACTERS) continue;
    await file.write(text);
    text = "";
  }
  await file.write(`${text}\n]}\n`);
}
