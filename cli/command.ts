import {
  type Completion,
  type FlagGroups,
  type Flags,
  type FlagsOf,
  flagsOf,
  type FlagValues,
  type GivenFlags,
} from "./args/flag.ts";
import { UsageError } from "./args/usage_error.ts";
import type { ValueSource } from "./args/value_sources.ts";
import type { Io } from "./io.ts";

/** The arguments of a command. */
export interface Invocation<Known extends Flags> {
  /** The values of the flags. */
  readonly flags: FlagValues<Known>;
  /** The arguments that are not flags, without the name of the command. */
  readonly operands: readonly string[];
  /** The sources of values, such as the arguments after `:::`. */
  readonly sources: readonly ValueSource[];
}

/** An example of a command. */
export interface Example {
  /** The command line, which begins with `taskrunner` or has it in a pipeline. */
  readonly command: string;
  /** The effect of the command line: an imperative sentence, without the period. */
  readonly text: string;
}

/** A command of the command line tool. */
export interface Command {
  /** The first argument. */
  readonly name: string;
  /** The arguments after the name, for the help. */
  readonly usage: string;
  /** The purpose of the command: an imperative sentence of at most 41 characters, without the period. */
  readonly summary: string;
  /** Examples for the help. The general help shows the first, which has at most 46 characters. */
  readonly examples: readonly [Example, Example, Example];
  /** The flags, in the order of the help. */
  readonly flags: FlagGroups;
  /** The topics of `taskrunner help` that belong to the command. */
  readonly topics?: readonly string[];
  /** Words that shells offer for the operands; for `each`, the words of COMMAND and the values. */
  readonly operandCompletes?: Completion;
  /** Set if the operands are a command, so that the flags end at the first operand, and the rest belongs to the command. */
  readonly takesCommand?: boolean;
  /** Set if the command takes sources of values. */
  readonly takesSources?: boolean;
  /** Set if a signal ends the command at once. Other commands handle the signals of `Io` themselves. */
  readonly endsAtSignal?: boolean;
  /**
   * Runs the command. Imports modules outside of `cli/`, `system/` and `text/` dynamically, so that the help and usage
   * errors do not wait for them.
   *
   * @returns the exit status.
   * @throws {UsageError} for wrong operands or flags that exclude each other.
   */
  run(invocation: Invocation<Flags>, io: Io): Promise<number>;
}

/** Defines a command. The types of the values in `run()` come from `flags`. */
export function defineCommand<const Groups extends FlagGroups>(
  command: Omit<Command, "flags" | "run"> & {
    readonly flags: Groups;
    run(invocation: Invocation<FlagsOf<Groups>>, io: Io): Promise<number>;
  },
): Command {
  return command as Command;
}

/** Flags of all commands. */
export const COMMON_FLAGS = {
  help: { short: "h", help: "print the help of the command and exit", isCommandLineOnly: true },
  version: { help: "print the version and exit", isCommandLineOnly: true },
  "no-config": { help: "ignore the defaults that taskrunner config prints", isCommandLineOnly: true },
} as const satisfies Flags;

/** Returns all flags of a command, by their names. */
export function allFlagsOf(command: Command): Flags {
  return { ...flagsOf(command.flags), ...COMMON_FLAGS };
}

/** Returns whether a default flag applies to a command. */
export function takesDefault(command: Command, name: string): boolean {
  const known = allFlagsOf(command);
  return Object.hasOwn(known, name) && !known[name]!.isCommandLineOnly;
}

/** Returns whether a command has flags of its own. */
export function hasFlags(command: Command): boolean {
  return Object.keys(flagsOf(command.flags)).length > 0;
}

/** Returns the flags of all commands. A name has the same short form in all commands, and takes a value in all or in none. */
export function flagsOfAll(commands: readonly Command[]): Flags {
  return Object.assign({}, ...commands.map(allFlagsOf).reverse());
}

/**
 * Parses the values of a command's flags.
 *
 * @throws {UsageError} for an invalid value, and for a flag of another command.
 */
export function parseValues(
  given: GivenFlags,
  command: Command,
  commands: readonly Command[],
): FlagValues<Flags> {
  const known = allFlagsOf(command);
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => {
      const flag = known[name];
      if (!flag) throw foreignFlag(name, command, commands);
      const { unit } = flag;
      if (value === false) return flag.negation ? [[name, false]] : [];
      if (!unit || value === true) return [[name, true]];
      const parse = (text: string) => unit.parse(`--${name}`, text);
      return [[name, typeof value === "string" ? parse(value) : value.map(parse)]];
    }),
  );
}

function foreignFlag(name: string, command: Command, commands: readonly Command[]): UsageError {
  const owners = commands.filter((other) => name in allFlagsOf(other)).map((other) => other.name);
  const list = owners.length > 1 ? `${owners.slice(0, -1).join(", ")} and ${owners.at(-1)}` : owners[0];
  return new UsageError(`--${name} is a flag of taskrunner ${list}, not of taskrunner ${command.name}`);
}
