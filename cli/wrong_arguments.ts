/** Parses the command line with the flags of all commands, to explain a wrong argument. @module */

import { splitArguments } from "./args/arguments.ts";
import { unknownCommand } from "./args/unknown_command.ts";
import { unknownFlag } from "./args/unknown_flag.ts";
import { allFlagsOf, flagsOfAll } from "./command.ts";
import { type CommandLine, endsFlags, type WrongCommandLine } from "./command_line.ts";
import { COMMAND_NAMES, DEFAULT_COMMAND, loadCommands } from "./commands/mod.ts";

/**
 * Parses a command line with the flags of all commands.
 *
 * @param args the arguments before the sources of values.
 * @param allArgs all arguments, which the error for an unknown command shows.
 */
export async function parseForAllCommands(
  args: readonly string[],
  allArgs: readonly string[],
): Promise<CommandLine | WrongCommandLine> {
  const commands = await loadCommands();
  const known = flagsOfAll(commands);
  const commandNamed = (name: string | undefined) => commands.find((command) => command.name === name);
  const { given, operands: allOperands, unknown, error } = splitArguments(
    args,
    known,
    (name) => commands.some((command) => endsFlags(name, command)),
  );
  const [first, ...others] = allOperands;
  const named = commandNamed(first);
  if (!named && first !== undefined) {
    // A wrong flag before the operand is the first error.
    const before = splitArguments(allArgs.slice(0, allArgs.indexOf(first)), known);
    const hasMore = others.length > 0 || args.length < allArgs.length;
    const wrong = before.unknown === undefined && !before.error &&
      unknownCommand(first, allArgs, hasMore, COMMAND_NAMES);
    if (wrong) return { error: wrong, command: undefined };
  }
  const command = named ?? commandNamed(DEFAULT_COMMAND)!;
  if (unknown !== undefined) return { error: unknownFlag(unknown, allFlagsOf(command)), command };
  if (error) return { error, command };
  return { command, isNamed: named !== undefined, given, operands: named ? others : allOperands, known, commands };
}
