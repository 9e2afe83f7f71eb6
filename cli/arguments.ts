import { excerpt } from "../internal/excerpt.ts";
import { nearest } from "../internal/nearest.ts";
import { UsageError } from "./usage_error.ts";

/** A flag of the command line. */
export interface Flag {
  short?: string;
  /** What stands for its value in the help; a flag without one is on or off. */
  value?: string;
  help: string;
}

/** What was given on the command line, by the long name of the flag. */
export interface Arguments<Known extends Readonly<Record<string, Flag>>> {
  flags: { readonly [Name in keyof Known]?: Known[Name] extends { value: string } ? string : true };
  operands: string[];
}

/**
 * Takes the command line apart.
 *
 * @throws {UsageError} for a flag that is not known, with the nearest one that is, and for a flag without its value.
 */
export function parseArguments<Known extends Readonly<Record<string, Flag>>>(
  args: readonly string[],
  known: Known,
): Arguments<Known> {
  const flags: Record<string, string | true> = {};
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const operands: string[] = [];
  for (let index = 0; index < end; index++) {
    const arg = args[index]!;
    if (!/^-./s.test(arg)) {
      operands.push(arg);
      continue;
    }
    for (const { name, given } of flagsIn(arg, known)) {
      const next = () => index + 1 < end && isValue(args[index + 1]!) ? args[++index] : undefined;
      const value = known[name]!.value === undefined || (given ?? next());
      if (!value) throw new UsageError(`--${name} needs a value: ${spelling(name, known[name]!)}`);
      flags[name] = value;
    }
  }
  return { flags: flags as Arguments<Known>["flags"], operands: operands.concat(args.slice(end + 1)) };
}

/** A negative number is one, for the check that can say what is wrong with it; any other flag is not. */
function isValue(next: string): boolean {
  return /^(?!-)|^-(\d|$)/.test(next);
}

/** The flags that an argument has: one, such as `--jobs=4` or `-j4`, or several, such as `-kq`. */
function* flagsIn(
  arg: string,
  known: Readonly<Record<string, Flag>>,
): Generator<{ name: string; given: string | undefined }, void> {
  const names = namesBySpelling(known);
  let [, spelled, rest] = /^(--[^=]*|-[^-])(.*)$/su.exec(arg) as unknown as [string, string, string];
  for (;;) {
    const name = names.get(spelled);
    if (name === undefined) throw unknownFlag(spelled, known);
    const given = rest === "" ? undefined : rest.replace(/^=/, "");
    const letter = `-${rest[0]}`;
    const isFollowed = !spelled.startsWith("--") && (names.has(letter) || /^-[a-z]$/i.test(letter));
    const takesValue = known[name]!.value !== undefined;
    if (!takesValue && given !== undefined && !isFollowed) {
      throw new UsageError(`--${name} takes no value, got ${excerpt(given)}`);
    }
    yield { name, given };
    if (takesValue || given === undefined) return;
    [spelled, rest] = [letter, rest.slice(1)];
  }
}

/** The long name of each flag, by every way to write it, such as `--jobs` and `-j`. */
function namesBySpelling(known: Readonly<Record<string, Flag>>): Map<string, string> {
  const names = new Map<string, string>();
  for (const [name, { short }] of Object.entries(known)) {
    names.set(`--${name}`, name);
    if (short) names.set(`-${short}`, name);
  }
  return names;
}

function unknownFlag(flag: string, known: Readonly<Record<string, Flag>>): UsageError {
  return new UsageError(
    `Unknown flag ${excerpt(flag)}, did you mean ${nearest(flag, [...namesBySpelling(known).keys()])}?`,
  );
}

/** The flag as it stands in the help, such as `-j, --jobs N|N%`. */
export function spelling(name: string, { short, value }: Flag): string {
  return `${short ? `-${short}, ` : ""}--${name}${value ? ` ${value}` : ""}`;
}
