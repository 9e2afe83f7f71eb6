import { basename } from "node:path";
import { resultsPath } from "../args/operands.ts";
import { text } from "../args/units.ts";
import { UsageError } from "../args/usage_error.ts";
import { defineCommand } from "../command.ts";

/** `taskrunner report`: writes the report of a run. */
export const report = defineCommand({
  name: "report",
  usage: "RESULTS.jsonl|- [FLAGS]",
  summary: "Write a report of the run as an HTML page",
  examples: [
    { command: "taskrunner report results.jsonl -o report.html", text: "Write the report to a file" },
    { command: "taskrunner report results.jsonl | gzip > report.html.gz", text: "Compress the report" },
    {
      command: "gzip -cd results.jsonl.gz | taskrunner report - -o report.html",
      text: "Read the results from standard input",
    },
  ],
  operandCompletes: "file",
  flags: {
    "Flags": {
      tasks: { unit: text("FILE", "file"), help: "task file to take the commands of failed tasks from" },
      output: { short: "o", unit: text("FILE", "file"), help: "write the page to FILE", default: "standard output" },
    },
  },
  endsAtSignal: true,
  async run({ flags, operands }, io) {
    const path = resultsPath(operands);
    if (flags.output === undefined && io.stdoutIsTerminal) {
      throw new UsageError("Missing -o FILE: the report is an HTML page, and standard output is a terminal");
    }
    const [{ readResultsFrom, noResults }, { GeneratedFile }, { ReportCollector }, { encodeReport }, html] =
      await Promise.all([
        import("../results_input.ts"),
        import("../generated_file.ts"),
        import("../../report/collector.ts"),
        import("../../report/encoding.ts"),
        import("../../report/html.ts"),
      ]);
    const collector = new ReportCollector();
    await readResultsFrom(path, io, (facts, result) => collector.add(facts, result));
    if (collector.results === 0) throw noResults(path);
    if (flags.tasks !== undefined) {
      const { readTasksById } = await import("../failed/task_file.ts");
      const shown = new Set(collector.idsWithCommands);
      const tasks = await readTasksById(flags.tasks, (id) => shown.has(id));
      collector.addCommands((id) => tasks.get(id)?.cmd);
    }
    const name = path === "-" ? "standard input" : basename(path);
    const page = html.reportPage(collector.overview(name), encodeReport(collector, name));
    const kind = { name: "a report", begin: html.REPORT_BEGIN };
    await GeneratedFile.with(flags.output, kind, io, (file) => file.write(page));
    return 0;
  },
});
