import { excerpt, printable } from "../../text/excerpt.ts";
import type { Flags } from "../args/flag.ts";
import { UsageError } from "../args/usage_error.ts";
import { allFlagsOf, type Command, defineCommand, takesDefault } from "../command.ts";
import { argumentOf, checkValue, type DefaultFlag, flagsIn } from "../config/default_flags.ts";
import { type Place, takePlaces } from "../config/places.ts";
import { EXIT_ERROR } from "../exit_status.ts";

/** Returns `taskrunner config`: prints the default flags, their places and their commands. */
export function config(loadCommands: () => Promise<readonly Command[]>): Command {
  return defineCommand({
    name: "config",
    usage: "",
    summary: "Print your default flags and their places",
    examples: [
      { command: "taskrunner config", text: "Print the places of defaults, and the flags in each" },
      { command: "TASKRUNNER_FLAGS='-j 4' taskrunner config", text: "See which commands a flag applies to" },
      { command: "XDG_CONFIG_HOME=$PWD taskrunner config", text: "Use another directory for the flags file" },
    ],
    flags: {},
    async run({ operands }, io) {
      if (operands.length > 0) {
        throw new UsageError(`Expected no arguments, got ${operands.map(excerpt).join(" and ")}`);
      }
      const commands = await loadCommands();
      let status = 0;
      for (const place of takePlaces()) {
        const { text, problems } = describe(place, commands);
        await io.stdout.write(new TextEncoder().encode(text));
        for (const problem of problems) await io.stderr(`taskrunner: ${problem}`);
        if (problems.length > 0) status = EXIT_ERROR;
      }
      return status;
    },
  });
}

/** Returns the lines that describe a place, and the messages of its errors. */
function describe(place: Place, commands: readonly Command[]): { text: string; problems: string[] } {
  const { name, isFile, text } = place;
  const problems: string[] = [];
  let flags: DefaultFlag[] = [];
  try {
    flags = flagsIn(place, commands);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    problems.push(error.message);
  }
  const rows = flags.map((flag): [argument: string, commands: string] => {
    const owners = commands.filter((command) => takesDefault(command, flag.name));
    problems.push(...problemsOf(flag, owners.map(allFlagsOf)));
    return [printable(argumentOf(flag)), owners.map(({ name }) => name).join(", ")];
  });
  const missing = isFile ? "does not exist" : "is not set";
  const state = problems.length > 0 ? "has an error" : rows.length === 0 ? "has no flags" : undefined;
  const suffix = text === undefined && problems.length === 0 ? ` ${missing}` : state ? ` ${state}` : ":";
  const width = Math.max(0, ...rows.map(([argument]) => argument.length));
  const lines = rows.map(([argument, commands]) => `  ${argument.padEnd(width)}  ${commands}`);
  return { text: [printable(name) + suffix, ...lines].map((line) => `${line}\n`).join(""), problems };
}

/** Returns the message for an invalid value, once. */
function problemsOf(flag: DefaultFlag, tables: readonly Flags[]): string[] {
  const messages = tables.flatMap((table) => {
    try {
      checkValue(flag, table);
      return [];
    } catch (error) {
      if (error instanceof UsageError) return [error.message];
      throw error;
    }
  });
  return [...new Set(messages)];
}
