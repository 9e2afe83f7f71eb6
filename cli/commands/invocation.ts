import { excerpt } from "../../text/excerpt.ts";
import { CommandTemplate } from "../args/command_template.ts";
import type { Io } from "../io.ts";
import type { Flags } from "../args/flags.ts";
import { TaskInput } from "../task_input.ts";
import { UsageError } from "../args/usage_error.ts";

/** What was asked for on the command line. */
export interface Invocation {
  command: "run" | "each";
  flags: Flags;
  operands: readonly string[];
  /** What comes after `:::`, if that is there. */
  values: readonly string[] | undefined;
}

/**
 * Finds the tasks of `run [FILE|-]` or `each COMMAND [::: VALUE...]`.
 *
 * @throws {UsageError} when it is neither.
 */
export function findInput({ command, flags, operands, values }: Invocation, io: Io): Promise<TaskInput> {
  if (flags.json) throw new UsageError("--json is for taskrunner stats");
  if (flags.port !== undefined) throw new UsageError("--port is for taskrunner watch; for a run it is --watch PORT");
  const given = operands.map(excerpt).join(" and ");
  if (command === "run") {
    if (values) throw new UsageError("Values after ::: are for a command: taskrunner each 'gzip -k {}' ::: a b c");
    for (const flag of ["print", "null"] as const) {
      if (flags[flag]) throw new UsageError(`--${flag} is for taskrunner each`);
    }
    if (operands.length > 1) throw new UsageError(`One file of tasks can be given, got ${given}`);
    return TaskInput.find(operands[0], io);
  }
  if (!operands[0]?.trim()) throw new UsageError("The command is missing, as in taskrunner each 'gzip -k {}'");
  if (operands.length > 1) {
    throw new UsageError(`The command must be one argument, as in taskrunner each 'gzip -k {}', got ${given}`);
  }
  if (values?.includes(":::")) throw new UsageError("One list of values can be given after :::");
  const damaged = values?.find((value) => value.includes("\ufffd"));
  if (damaged !== undefined) {
    throw new UsageError(
      `The value ${excerpt(damaged)} is, or was made of, what is not UTF-8: it would stand for another file`,
    );
  }
  return TaskInput.each(new CommandTemplate(operands[0]), values, flags.null ?? false, io);
}
