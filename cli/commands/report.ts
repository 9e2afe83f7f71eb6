import { basename } from "node:path";
import { ReportCollector } from "../../report/collector.ts";
import { encodeReport } from "../../report/encoding.ts";
import { REPORT_BEGIN, reportPage } from "../../report/html.ts";
import { GeneratedFile } from "../generated_file.ts";
import type { Io } from "../io.ts";
import { noResults, readResultsFrom, type ResultsCommand, resultsPath } from "../results_input.ts";
import { UsageError } from "../args/usage_error.ts";

/** `report RESULTS.jsonl`: the run as a page for a browser. */
export async function writeReport(invocation: ResultsCommand, io: Io): Promise<number> {
  const path = resultsPath(invocation, ["output"]);
  const { output } = invocation.flags;
  if (output === undefined && io.stdoutIsTerminal) {
    throw new UsageError("A report is a page for a browser, and this is a terminal: name a file, as in -o report.html");
  }
  const collector = new ReportCollector();
  await readResultsFrom(path, io, (facts, result) => collector.add(facts, result));
  if (collector.results === 0) throw noResults(path);
  const name = path === "-" ? "standard input" : basename(path);
  const page = reportPage(collector.overview(name), encodeReport(collector, name));
  await GeneratedFile.with(output, { name: "a report", begin: REPORT_BEGIN }, io, (file) => file.write(page));
  return 0;
}
