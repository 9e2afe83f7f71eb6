import { basename } from "node:path";
import { followLines } from "../../system/follow_file.ts";
import { LiveReport } from "../../report/live/live_report.ts";
import { readResults } from "../../results/statistics/results_reader.ts";
import type { Io } from "../io.ts";
import { readError } from "../../results/results_file_error.ts";
import { type ResultsCommand, resultsPath } from "../results_input.ts";
import { parsePort } from "../args/units.ts";
import { UsageError } from "../args/usage_error.ts";

/** As many results as one can look for one by one: this process has nothing else to do. */
const MAX_ROWS = 200_000;

/** `watch RESULTS.jsonl`: the report of a run that writes to the file, in a browser, until a signal asks to stop. */
export async function watchResults(invocation: ResultsCommand, io: Io): Promise<number> {
  const path = resultsPath(invocation, ["port"]);
  if (path === "-") throw new UsageError("To watch, name the file of results that a run writes to");
  const port = invocation.flags.port === undefined ? 0 : parsePort("--port", invocation.flags.port);
  const live = await LiveReport.open({ port, name: basename(path), maxRows: MAX_ROWS });
  await io.stderr(`taskrunner: ${path} can be watched at ${live.url}`);
  try {
    await readResults(followLines(path, io.signal), (facts, result) => live.add(facts, result));
    throw io.signal.reason;
  } catch (error) {
    throw error === io.signal.reason ? error : readError(path, error);
  } finally {
    await live.close("taskrunner has stopped watching; these are the last results it read.");
  }
}
