/**
 * Words that a shell offers when the user completes a value: names of files, of directories or of programs, or words of a
 * list, which have no characters that are special in shells.
 */
export type Completion = "file" | "directory" | "program" | readonly string[];

/** The unit of a flag's value: its placeholder in the help, and its parser. */
export interface Unit<Value> {
  /** The placeholder of the value in the help, such as `SIZE`. */
  readonly placeholder: string;
  /** A line of the help that explains the placeholder. */
  readonly legend?: string;
  /** Words that shells offer for the value. Without them, shells offer nothing. */
  readonly completes?: Completion;
  /** Set if the value is a list, separated by commas, whose items shells complete. */
  readonly isList?: true;
  /** Set if the value may be empty. */
  readonly takesEmpty?: true;
  /**
   * Parses a value.
   *
   * @param flag the name of the flag for the error, such as `--timeout`.
   * @throws {UsageError} for an invalid value.
   */
  parse(flag: string, text: string): Value;
}

/** A flag of a command. */
export interface Flag {
  /** The letter of the short form. */
  readonly short?: string;
  /** Other spellings, such as `--max-procs` and `-P`, which the help omits. */
  readonly aliases?: readonly `-${string}`[];
  /** The unit of the value. A flag without a unit takes no value. */
  readonly unit?: Unit<unknown>;
  /** Set if the flag may be given several times. Its value is then the array of all values. */
  readonly repeats?: true;
  /** Set if the flag is for the command line only: it can neither be a default nor be undone with `--no-`. */
  readonly isCommandLineOnly?: true;
  /** The description in the help, without the default: a noun or verb phrase in lower case. */
  readonly help: string;
  /** The default in the help. */
  readonly default?: string;
  /** The topic of `taskrunner help` that lists the flag, instead of the help of its commands. */
  readonly topic?: string;
  /** The description of `--no-NAME`, if it does more than undo the flag. The value is then `false`. */
  readonly negation?: string;
}

/** Flags by their long names. */
export type Flags = Readonly<Record<string, Flag>>;

/** Groups of flags by their headings in the help. */
export type FlagGroups = Readonly<Record<string, Flags>>;

type ValueOf<Known extends Flag> = Known extends { readonly unit: Unit<infer Value>; readonly repeats: true }
  ? readonly Value[]
  : Known extends { readonly unit: Unit<infer Value> } ? Value
  : Known extends { readonly negation: string } ? boolean
  : Known extends { readonly help: string; readonly unit?: undefined } ? true
  : unknown;

/** The parsed values of flags, by their long names: `true` for a flag without a unit, an array for a flag that repeats. */
export type FlagValues<Known extends Flags> = { readonly [Name in keyof Known]?: ValueOf<Known[Name]> | undefined };

type Intersection<Union> = (Union extends unknown ? (member: Union) => void : never) extends
  (member: infer Member) => void ? Member : never;

/** The flags of all groups. */
export type FlagsOf<Groups extends FlagGroups> = Intersection<Groups[keyof Groups]> extends infer All extends Flags
  ? { readonly [Name in keyof All]: All[Name] }
  : never;

/** The text of flags before it is parsed, by their long names; `false` for a flag that `--no-NAME` has undone. */
export type GivenFlags = Readonly<Record<string, string | boolean | readonly string[]>>;

/** Returns the flags of all groups. */
export function flagsOf<Groups extends FlagGroups>(groups: Groups): FlagsOf<Groups> {
  return Object.assign({}, ...Object.values(groups)) as FlagsOf<Groups>;
}

/** Returns all spellings of a flag, such as `--jobs`, `-j`, `--max-procs` and `-P`. */
export function spellingsOf(name: string, { short, aliases = [] }: Flag): string[] {
  return [`--${name}`, ...short ? [`-${short}`] : [], ...aliases];
}

/** Returns the spelling that undoes a flag, such as `--no-keep-order`; `undefined` if there is none. */
export function undoingSpelling(name: string, { isCommandLineOnly }: Flag): string | undefined {
  return isCommandLineOnly || name.startsWith("no-") ? undefined : `--no-${name}`;
}

/** Returns a flag as the help shows it, such as `-j, --jobs N`. */
export function spelling(name: string, { short, unit }: Flag): string {
  return `${short ? `-${short}, ` : ""}--${name}${unit ? ` ${unit.placeholder}` : ""}`;
}
