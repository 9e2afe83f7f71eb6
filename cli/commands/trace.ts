import { printableJson } from "../../text/excerpt.ts";
import type { ChromeTrace } from "../../report/chrome_trace.ts";
import { resultsPath } from "../args/operands.ts";
import { text } from "../args/units.ts";
import { defineCommand } from "../command.ts";
import type { GeneratedFile } from "../generated_file.ts";

/** Number of characters to write at once. */
const CHUNK_CHARACTERS = 256 * 1024;
const BEGIN = '{"otherData":{"tool":"taskrunner"';

/** `taskrunner trace`: writes a trace of the run. */
export const trace = defineCommand({
  name: "trace",
  usage: "RESULTS.jsonl|- [FLAGS]",
  summary: "Write a trace for ui.perfetto.dev",
  examples: [
    { command: "taskrunner trace results.jsonl -o trace.json", text: "Write the trace to a file" },
    {
      command: "taskrunner trace results.jsonl | gzip > trace.json.gz",
      text: "Compress the trace, which Perfetto opens as it is",
    },
    {
      command: "gzip -cd results.jsonl.gz | taskrunner trace - -o trace.json",
      text: "Read the results from standard input",
    },
  ],
  operandCompletes: "file",
  flags: {
    "Flags": {
      output: { short: "o", unit: text("FILE", "file"), help: "write the trace to FILE", default: "standard output" },
    },
  },
  endsAtSignal: true,
  async run({ flags, operands }, io) {
    const path = resultsPath(operands);
    const [{ readResultsFrom, noResults }, { GeneratedFile }, { ChromeTrace }] = await Promise.all([
      import("../results_input.ts"),
      import("../generated_file.ts"),
      import("../../report/chrome_trace.ts"),
    ]);
    const trace = new ChromeTrace();
    await readResultsFrom(path, io, (result) => trace.add(result));
    if (trace.results === 0) throw noResults(path);
    const kind = { name: "a trace", begin: BEGIN };
    await GeneratedFile.with(flags.output, kind, io, (file) => writeEvents(trace, file));
    return 0;
  },
});

async function writeEvents(trace: ChromeTrace, file: GeneratedFile): Promise<void> {
  const startedAt = new Date(trace.startedMs).toISOString();
  let text = `${BEGIN},"startedAt":"${startedAt}"},"displayTimeUnit":"ms","traceEvents":[`;
  let separator = "\n";
  for (const event of trace.events()) {
    text += separator + printableJson(event);
    separator = ",\n";
    if (text.length < CHUNK_CHARACTERS) continue;
    await file.write(text);
    text = "";
  }
  await file.write(`${text}\n]}\n`);
}
