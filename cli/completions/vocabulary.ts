/** The words of the command line for shells: commands, flags and their values, from the tables of the help. @module */

import { type Completion, type Flag, spellingsOf, undoingSpelling } from "../args/flag.ts";
import { allFlagsOf, type Command } from "../command.ts";

/** A flag of a command. */
export interface FlagWords {
  /** The name without hyphens, such as `jobs`. */
  readonly name: string;
  /** The spellings that shells offer, such as `--jobs` and `-j`. */
  readonly offered: readonly string[];
  /** The aliases, which shells recognize and do not offer. */
  readonly aliases: readonly string[];
  /** The spelling that undoes the flag, which shells offer after `--no-`. */
  readonly undoing: string | undefined;
  readonly help: string;
  /** The value of the flag; `undefined` if the flag takes none. */
  readonly value: ValueWords | undefined;
  readonly repeats: boolean;
}

/** The value of a flag. */
export interface ValueWords {
  readonly placeholder: string;
  readonly completes: Completion | undefined;
  readonly isList: boolean;
}

/** A command with its flags. */
export interface CommandWords {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly FlagWords[];
  readonly operands: Completion | undefined;
  /** Set if the flags end at the first operand, which begins a command. */
  readonly takesCommand: boolean;
}

/** All words of the command line. */
export interface Vocabulary {
  readonly commands: readonly CommandWords[];
  /** The name of the command that runs when none is named. */
  readonly defaultCommand: string;
  /** The spellings of all flags that take a value. A flag takes a value in all commands or in none. */
  readonly valueSpellings: readonly string[];
  /** The separators between the words of a command and values. */
  readonly separators: readonly string[];
}

/** Returns the words of commands. */
export function vocabularyOf(commands: readonly Command[], defaultCommand: string): Vocabulary {
  const described = commands.map((command): CommandWords => ({
    name: command.name,
    summary: command.summary,
    flags: Object.entries(allFlagsOf(command)).map(([name, flag]) => flagWords(name, flag)),
    operands: command.operandCompletes,
    takesCommand: command.takesCommand ?? false,
  }));
  const flags = described.flatMap(({ flags }) => flags).filter(({ value }) => value);
  return {
    commands: described,
    defaultCommand,
    valueSpellings: [...new Set(flags.flatMap(({ offered, aliases }) => [...offered, ...aliases]))],
    separators: [":::", ":::+", "::::", "::::+"],
  };
}

function flagWords(name: string, flag: Flag): FlagWords {
  const { short, unit, help, aliases = [], repeats = false } = flag;
  return {
    name,
    offered: spellingsOf(name, short ? { help, short } : { help }),
    aliases,
    undoing: undoingSpelling(name, flag),
    help,
    value: unit && { placeholder: unit.placeholder, completes: unit.completes, isList: unit.isList ?? false },
    repeats,
  };
}

/** Groups items by a key, in the order of their first appearance. */
export function groupBy<Item>(items: readonly Item[], key: (item: Item) => string): Item[][] {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return [...groups.values()];
}

/** Returns the letters of spellings such as `-j`. */
export function lettersOf(spellings: readonly string[]): string {
  return spellings.filter((spelling) => /^-[^-]$/.test(spelling)).map((spelling) => spelling[1]).join("");
}

/** Returns the spellings with two hyphens. */
export function longOf(spellings: readonly string[]): string[] {
  return spellings.filter((spelling) => spelling.startsWith("--"));
}
