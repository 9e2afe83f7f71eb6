import { basename } from "node:path";
import { followLines } from "../../system/follow_file.ts";
import { resultsPath } from "../args/operands.ts";
import { PORT } from "../args/units.ts";
import { UsageError } from "../args/usage_error.ts";
import { defineCommand } from "../command.ts";

/** Limit of the results that the page lists. Larger than that of a run, because this process runs no tasks. */
const MAX_ROWS = 200_000;

/** `taskrunner watch`: serves the report of a run that another process writes, until a signal. */
export const watch = defineCommand({
  name: "watch",
  usage: "RESULTS.jsonl [FLAGS]",
  summary: "Serve a live report of a run",
  examples: [
    { command: "taskrunner watch results.jsonl", text: "Follow the results that another process writes" },
    { command: "taskrunner watch results.jsonl --port 8080", text: "Choose the port of the report" },
    {
      command: "ssh -L 8080:127.0.0.1:8080 host taskrunner watch results.jsonl --port 8080",
      text: "Follow a run on another machine in a browser on this machine",
    },
  ],
  operandCompletes: "file",
  flags: {
    "Flags": { port: { unit: PORT, help: "port on 127.0.0.1 to listen on", default: "a free port" } },
  },
  async run({ flags, operands }, io) {
    const path = resultsPath(operands);
    if (path === "-") throw new UsageError("Cannot watch standard input: give the results file that a run writes");
    const [{ LiveReport }, { readResults }, { readError }] = await Promise.all([
      import("../../report/live/live_report.ts"),
      import("../../results/statistics/results_reader.ts"),
      import("../../results/results_file_error.ts"),
    ]);
    const live = await LiveReport.open({ port: flags.port ?? 0, name: basename(path), maxRows: MAX_ROWS });
    await io.stderr(`taskrunner: live report of ${path}: ${live.url}`);
    try {
      await readResults(followLines(path, io.signal), (facts, result) => live.add(facts, result));
      throw io.signal.reason;
    } catch (error) {
      throw error === io.signal.reason ? error : readError(path, error);
    } finally {
      await live.close("taskrunner has stopped watching; these are the last results it read.");
    }
  },
});
