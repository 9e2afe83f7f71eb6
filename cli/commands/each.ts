import { abortable } from "../abortable.ts";
import { checkCommandWords } from "../args/command_words.ts";
import { flagsOf } from "../args/flag.ts";
import { UsageError } from "../args/usage_error.ts";
import { defineCommand } from "../command.ts";
import { PIPE_FLAGS, TASK_FLAGS, VALUE_FLAGS } from "../each/flags.ts";
import { inputIoOf, readSettings, RUN_FLAGS } from "./run.ts";

const EXAMPLE = "as in taskrunner each 'gzip -k {}'";

/** `taskrunner each`: makes a task of each value. */
export const each = defineCommand({
  name: "each",
  usage: "[FLAGS] COMMAND [ARG...] [::: VALUE...]...",
  summary: "Run a command for each value or line",
  examples: [
    { command: "taskrunner each 'gzip -k {}' ::: *.log", text: "Compress files, one at a time for each CPU" },
    {
      command: "taskrunner each -o results.jsonl --resume 'wc -l {}' < paths.txt",
      text: "Run a command for each line, and resume after an interruption",
    },
    {
      command: "find . -name '*.log' -print0 | taskrunner each -0 -j 8 'cp {} {.}.old'",
      text: "Copy files with any names, eight at a time",
    },
  ],
  topics: ["placeholders", "exit-status", "nats"],
  takesCommand: true,
  takesSources: true,
  operandCompletes: "program",
  flags: {
    "Values": VALUE_FLAGS,
    "Blocks of standard input": PIPE_FLAGS,
    ...RUN_FLAGS,
    "Input and output": {
      ...RUN_FLAGS["Input and output"],
      "dry-run": { help: "print the commands without running them" },
    },
    "Scheduling": { ...RUN_FLAGS.Scheduling, ...TASK_FLAGS },
  },
  async run({ flags, operands, sources }, io) {
    if (!operands[0]?.trim()) {
      throw new UsageError(`Missing COMMAND, ${EXAMPLE}; to run each line as a command, write taskrunner each sh -c`);
    }
    checkCommandWords(operands, flagsOf(each.flags));
    const settings = await readSettings(flags, "text");
    const { output, resume, onInvalid } = settings;
    const [{ runTasks }, { openInput }] = await Promise.all([import("../run_tasks.ts"), import("../each/input.ts")]);
    if (flags.uses || flags.slots !== undefined) {
      const [{ checkTaskFlags }, { capacityOf }] = await Promise.all([
        import("../each/check_task_flags.ts"),
        import("../capacity.ts"),
      ]);
      checkTaskFlags(flags, await capacityOf(settings));
    }
    const inputIo = await inputIoOf(settings, io);
    const opening = openInput({ flags, words: operands, sources, hasUniqueIds: output.file !== undefined }, inputIo);
    const input = await abortable(opening, io.signal);
    if (!flags["dry-run"]) return await runTasks(settings, input, io);
    const [{ printTasks }, { readRecordedResults }] = await Promise.all([
      import("../each/dry_run.ts"),
      import("../../results/recorded_results.ts"),
    ]);
    const options = { retryFailed: resume === "failed", signal: io.signal };
    const recorded = resume && (await abortable(readRecordedResults(output.file!, options), io.signal)).index;
    const format = flags.format === "json" ? "json" : "text";
    return await abortable(printTasks(input, format, onInvalid, recorded, io), io.signal);
  },
});
