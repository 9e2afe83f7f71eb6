import { printable } from "../../text/excerpt.ts";
import { pluralize } from "../../text/format.ts";
import { resultsPath } from "../args/operands.ts";
import { countFrom, text } from "../args/units.ts";
import { defineCommand } from "../command.ts";
import { EXIT_ERROR } from "../exit_status.ts";

const DEFAULT_LINES = 3;

/** `taskrunner failed`: lists the failed tasks of a results file. */
export const failed = defineCommand({
  name: "failed",
  usage: "RESULTS.jsonl|- [FLAGS]",
  summary: "List the failed tasks",
  examples: [
    { command: "taskrunner failed results.jsonl", text: "List the failed tasks" },
    { command: "taskrunner failed results.jsonl --tail 20", text: "Show more of their standard error" },
    { command: "taskrunner failed results.jsonl --cmd --tasks tasks.jsonl | sh", text: "Run them again by hand" },
  ],
  operandCompletes: "file",
  flags: {
    "Flags": {
      cmd: { help: "print the commands only, one per line, for a shell" },
      tasks: { unit: text("FILE", "file"), help: "task file to take the commands from, with cwd, env and stdin" },
      tail: {
        unit: countFrom(0),
        help: "number of lines from the end of standard error",
        default: `${DEFAULT_LINES}`,
      },
    },
  },
  endsAtSignal: true,
  async run({ flags, operands }, io) {
    const path = resultsPath(operands);
    const [{ openRepeatable }, { FailedTasks }, { readError }] = await Promise.all([
      import("../failed/results_copy.ts"),
      import("../failed/failed_tasks.ts"),
      import("../../results/results_file_error.ts"),
    ]);
    const results = await openRepeatable(path, io).catch((error) => {
      throw readError(path, error);
    });
    try {
      const tasks = await FailedTasks.read(results).catch((error) => {
        throw readError(path, error);
      });
      if (flags.tasks !== undefined) await tasks.readCommands(flags.tasks);
      const encoder = await import("../../text/byte_text.ts");
      const write = async (lines: string) => await io.stdout.write(encoder.encodeByteText(lines));
      if (flags.cmd) {
        await tasks.writeCommands(write);
        if (tasks.withoutCommand > 0) {
          const remedy = flags.tasks === undefined
            ? "record commands with --record-cmd, or name the task file with --tasks FILE"
            : `${printable(flags.tasks)} has no such tasks`;
          await io.stderr(`taskrunner: no command of ${pluralize(tasks.withoutCommand, "failed task")}: ${remedy}`);
        }
        if (tasks.changed > 0) {
          const [verb, whose] = tasks.changed === 1 ? ["has", "its"] : ["have", "their"];
          await io.stderr(
            `taskrunner: ${pluralize(tasks.changed, "task")} ${verb} another command than in ${whose} result`,
          );
        }
        if (tasks.skipped > 0) {
          const reason = "they depend on other tasks; --resume-failed runs both in order";
          await io.stderr(`taskrunner: no command of ${pluralize(tasks.skipped, "skipped task")}: ${reason}`);
        }
        return tasks.withoutCommand > 0 ? EXIT_ERROR : 0;
      }
      await tasks.writeList(flags.tail ?? DEFAULT_LINES, write);
      const counts = [
        pluralize(tasks.size, "failed task"),
        ...tasks.skipped > 0 ? [pluralize(tasks.skipped, "skipped task")] : [],
        pluralize(tasks.results, "result"),
      ];
      await io.stderr(`taskrunner: ${counts.join(", ")}`);
      return 0;
    } finally {
      results.close();
    }
  },
});
