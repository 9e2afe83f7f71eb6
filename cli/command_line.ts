/** Parses the command line. Loads only the command that runs, unless an argument is wrong. @module */

import { splitArguments } from "./args/arguments.ts";
import type { Flags, GivenFlags } from "./args/flag.ts";
import { namesPath } from "./args/operands.ts";
import type { UsageError } from "./args/usage_error.ts";
import { allFlagsOf, type Command } from "./command.ts";
import { DEFAULT_COMMAND, isCommandName, loadCommand } from "./commands/mod.ts";

/** A command line whose flags are known. */
export interface CommandLine {
  readonly command: Command;
  /** False for the default command without its name. */
  readonly isNamed: boolean;
  readonly given: GivenFlags;
  /** The arguments that are neither flags nor the name of the command. */
  readonly operands: readonly string[];
  /** The flags with which the arguments were parsed: those of the command, or of all commands. */
  readonly known: Flags;
  /** The commands that have these flags. */
  readonly commands: readonly Command[];
}

/** A command line with an unknown flag or command, or with a flag that lacks its value or takes none. */
export interface WrongCommandLine {
  readonly error: UsageError;
  /** The command for the hint; `undefined` if the name of the command is wrong. */
  readonly command: Command | undefined;
}

/**
 * Parses a command line with the flags of its command alone. Each flag of the command means the same in all commands, so
 * the flags of the other commands make no difference while all arguments are right.
 *
 * @returns `undefined` if an argument is wrong or a flag belongs to another command, as only all commands can tell.
 */
export async function parseForOneCommand(args: readonly string[]): Promise<CommandLine | undefined> {
  const first = isCommandName(args[0]) ? args[0] : DEFAULT_COMMAND;
  const line = await parseFor(first, args);
  // The name of a command may follow flags, which `run` has, too.
  const [name] = line.allOperands;
  if (isCommandName(name) && name !== first) return knownLine(await parseFor(name, args));
  return knownLine(line);
}

/** A command line that may be wrong. */
interface ParsedLine extends Omit<CommandLine, "isNamed" | "operands"> {
  readonly allOperands: readonly string[];
  readonly isWrong: boolean;
}

async function parseFor(name: string, args: readonly string[]): Promise<ParsedLine> {
  const command = await loadCommand(name);
  const known = allFlagsOf(command);
  const { given, operands, unknown, error } = splitArguments(args, known, (operand) => endsFlags(operand, command));
  return {
    command,
    given,
    known,
    commands: [command],
    allOperands: operands,
    isWrong: unknown !== undefined || error !== undefined,
  };
}

/** Returns whether the flags end after an operand that is the name of a command. */
export function endsFlags(operand: string, { name, takesCommand = false }: Command): boolean {
  return takesCommand && operand === name;
}

/** Returns whether a command is the default command, and the first operand can be its task file. */
function isForDefault({ name }: Command, operand: string | undefined): boolean {
  return name === DEFAULT_COMMAND && (operand === undefined || !isCommandName(operand) && namesPath(operand));
}

function knownLine({ isWrong, allOperands, ...line }: ParsedLine): CommandLine | undefined {
  const [first, ...others] = allOperands;
  const isNamed = first === line.command.name;
  if (isWrong || !isNamed && !isForDefault(line.command, first)) return undefined;
  return { ...line, isNamed, operands: isNamed ? others : allOperands };
}
