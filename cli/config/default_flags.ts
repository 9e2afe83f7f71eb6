/** Default flags of the user, which stand before those of the command line. @module */

import { excerpt } from "../../text/excerpt.ts";
import { type ShellWord, ShellWordsError, splitShellWords } from "../../text/shell_words.ts";
import { splitArguments } from "../args/arguments.ts";
import type { Flags, GivenFlags } from "../args/flag.ts";
import { unknownFlag } from "../args/unknown_flag.ts";
import { UsageError } from "../args/usage_error.ts";
import { allFlagsOf, type Command, flagsOfAll, takesDefault } from "../command.ts";
import type { Place } from "./places.ts";

/** A flag of a place. */
export interface DefaultFlag {
  readonly name: string;
  /** The value as text, `true` for a flag that takes none, and `false` for `--no-NAME`. */
  readonly value: string | boolean;
  /** The place for messages, such as `/home/me/.config/taskrunner/flags:3`. */
  readonly origin: string;
}

/** The default flags of a command. */
export interface DefaultArguments {
  /** Arguments to put before those of the command line. */
  readonly arguments: readonly string[];
  /** Returns the message of an error, with the origin of each default flag that the message names. */
  explain(message: string): string;
}

/**
 * Returns the default flags that a command has. Flags that only other commands have are left out.
 *
 * @param places the places of default flags.
 * @param given the flags of the command line, which override defaults.
 * @throws {UsageError} for a place that cannot be read, and for anything in a place that is not a flag with a valid value. The
 * message begins with the place.
 */
export function defaultArguments(
  places: readonly Place[],
  command: Command,
  commands: readonly Command[],
  given: GivenFlags,
): DefaultArguments {
  const known = allFlagsOf(command);
  const flags = places
    .flatMap((place) => flagsIn(place, commands))
    .filter(({ name }) => takesDefault(command, name));
  for (const flag of flags) checkValue(flag, known);
  const origins = new Map(flags.filter(({ name }) => given[name] === undefined).map((flag) => [flag.name, flag]));
  return {
    arguments: flags.map(argumentOf),
    explain(message) {
      const named = new Set([...message.matchAll(/--([a-z-]+)/g)].map(([, name]) => name!));
      const notes = [...named].flatMap((name) => {
        const flag = origins.get(name);
        return flag?.value ? [`--${name} is a default from ${flag.origin}, and --no-${name} undoes it`] : [];
      });
      return [message, ...notes].join("; ");
    },
  };
}

/** Returns a flag as an argument, such as `--jobs=4`. */
export function argumentOf({ name, value }: DefaultFlag): string {
  if (typeof value === "string") return `--${name}=${value}`;
  return value ? `--${name}` : `--no-${name}`;
}

/**
 * Returns the flags of a place.
 *
 * @throws {UsageError} for a place that cannot be read, and for words that are not flags of a command.
 */
export function flagsIn(place: Place, commands: readonly Command[]): DefaultFlag[] {
  if (place.problem) throw new UsageError(`Cannot read default flags from ${place.name}: ${place.problem}`);
  const known = flagsOfAll(commands);
  const words = wordsOf(place);
  const flags: DefaultFlag[] = [];
  for (let index = 0; index < words.length;) {
    const origin = originOf(place, words[index]!.line);
    const [given, count] = at(origin, () => readFlag(words.slice(index, index + 2), known));
    for (const [name, value] of Object.entries(given)) {
      for (const one of [value].flat()) flags.push({ name, value: one, origin });
    }
    index += count;
  }
  return flags;
}

/**
 * Checks the value of a flag.
 *
 * @throws {UsageError} for an invalid value.
 */
export function checkValue({ name, value, origin }: DefaultFlag, known: Flags): void {
  if (typeof value === "string") at(origin, () => known[name]!.unit!.parse(`--${name}`, value));
}

function wordsOf(place: Place): ShellWord[] {
  try {
    return splitShellWords(place.text ?? "");
  } catch (error) {
    if (!(error instanceof ShellWordsError)) throw error;
    throw new UsageError(`${originOf(place, error.line)}: Cannot split the text into words: ${error.message}`);
  }
}

function originOf({ name, isFile }: Place, line: number): string {
  return isFile ? `${name}:${line}` : name;
}

/** Parses the flag that the first word begins. Returns the number of its words, too. */
function readFlag([word, next]: readonly ShellWord[], known: Flags): [given: GivenFlags, words: number] {
  const { text } = word!;
  if (!/^-./.test(text) || text === "--") {
    throw new UsageError(`Cannot use ${excerpt(text)} as a default: only flags can be defaults`);
  }
  const alone = splitArguments([text], known);
  const { given, unknown, error } = alone.error && next ? splitArguments([text, next.text], known) : alone;
  if (unknown !== undefined) throw unknownFlag(unknown, known);
  if (error) throw error;
  const barred = Object.keys(given).find((name) => known[name]!.isCommandLineOnly);
  if (barred) throw new UsageError(`Cannot use --${barred} as a default: it is for the command line only`);
  return [given, alone.error ? 2 : 1];
}

/** Runs a function, and puts the place before the message of its usage errors. */
function at<T>(origin: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`${origin}: ${error.message}`) : error;
  }
}
