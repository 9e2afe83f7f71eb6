import { abortable } from "../abortable.ts";
import { checkCommandWords } from "../args/command_words.ts";
import { CommandTemplate } from "../args/command_template.ts";
import { type Flags, flagsOf } from "../args/flag.ts";
import { UsageError } from "../args/usage_error.ts";
import { defineCommand, type ValueSource } from "../command.ts";
import { EXIT_ERROR } from "../exit_status.ts";
import type { Io } from "../io.ts";
import type { RunSettings } from "../run_tasks.ts";
import type { TaskInput } from "../task_input.ts";
import { excerpt } from "../../text/excerpt.ts";
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
    "Values": {
      null: { short: "0", help: "values end with a NUL, as find -print0 writes them", default: "newline" },
      print: { help: "print the tasks without running them" },
    },
    ...RUN_FLAGS,
  },
  async run({ flags, operands, sources }, io) {
    const template = new CommandTemplate(commandOf(operands, flagsOf(each.flags)));
    const values = valuesOf(sources);
    const settings = await readSettings(flags);
    for (const other of ["output", "resume", "resume-failed", "dry-run", "watch"] as const) {
      if (flags.print && flags[other] !== undefined) {
        throw new UsageError(`Cannot use --${other} with --print: --print runs no tasks`);
      }
    }
    const [{ runTasks }, { TaskInput }] = await Promise.all([import("../run_tasks.ts"), import("../task_input.ts")]);
    const input = await TaskInput.ofValues(template, values, flags.null ?? false, await inputIoOf(settings, io));
    if (flags.print) return await abortable(printTasks(input, settings.onInvalid, io), io.signal);
    return await runTasks(settings, input, io);
  },
});

function commandOf(operands: readonly string[], flags: Flags): string {
  const [command, ...more] = operands;
  if (!command?.trim()) throw new UsageError(`Missing COMMAND, ${EXAMPLE}`);
  if (more.length === 0) return command;
  checkCommandWords(operands, flags);
  throw new UsageError(`COMMAND must be one argument, ${EXAMPLE}, got ${operands.map(excerpt).join(" and ")}`);
}

function valuesOf([source, ...more]: readonly ValueSource[]): readonly string[] | undefined {
  if (more.length > 0) throw new UsageError("Expected one list of values after :::, got two");
  return source?.items;
}

/** Writes the tasks to standard output. Returns the exit status. */
async function printTasks(input: TaskInput, onInvalid: RunSettings["onInvalid"], io: Io): Promise<number> {
  const { JsonLinesWriter } = await import("../../jsonl/mod.ts");
  const writer = new JsonLinesWriter(io.stdout);
  try {
    for await (const task of input.tasks({ onInvalid, report: io.stderr, recorded: undefined })) {
      await writer.write(task);
    }
  } finally {
    await writer.flush();
  }
  return input.invalid > 0 ? EXIT_ERROR : 0;
}
