import { parseArgs } from "@std/cli/parse-args";
import { closestString } from "@std/text/closest-string";
import { excerpt } from "../internal/excerpt.ts";
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
  const names = Object.keys(known);
  const isText = (name: string) => known[name]!.value !== undefined;
  const parsed: Record<string, unknown> = parseArgs(unambiguous(args, known), {
    string: ["_", ...names.filter(isText)],
    boolean: names.filter((name) => !isText(name)),
    alias: Object.fromEntries(Object.entries(known).flatMap(([name, { short }]) => short ? [[name, short]] : [])),
    unknown(arg: string, key?: string) {
      if (key === undefined) return;
      throw unknownFlag(arg.startsWith("--") ? `--${key}` : `-${key}`, known);
    },
  });
  const flags: Record<string, string | true> = {};
  for (const name of names) {
    const value = parsed[name];
    if (isText(name) && value === "") {
      throw new UsageError(`--${name} needs a value: ${spelling(name, known[name]!)}`);
    }
    if (!isText(name) && !["boolean", "undefined"].includes(typeof value)) throw takesNoValue(name, String(value));
    if (typeof value === "string" || value === true) flags[name] = value;
  }
  return { flags: flags as Arguments<Known>["flags"], operands: parsed["_"] as string[] };
}

/**
 * Mends what the parser would take for something else: a negative number or `-` as the value of a flag (as `--flag=-1`
 * it reaches the check that can say what is wrong), an operand `true` after a flag that has no value, and its own name `_`.
 */
function unambiguous(given: readonly string[], known: Readonly<Record<string, Flag>>): string[] {
  const nameOf = namesBySpelling(known);
  const joined: string[] = [];
  const separator = given.indexOf("--");
  const end = separator === -1 ? given.length : separator;
  const args = [...given.slice(0, end).flatMap((arg) => separate(arg, known, nameOf)), ...given.slice(end)];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") return [...joined, ...args.slice(index)];
    if (/^--?_(=|$)/.test(arg)) throw unknownFlag(arg.replace(/=.*/s, ""), known);
    const next = args[index + 1];
    const [, flag = arg, value] = /^(--[^=]+)=(.*)$/s.exec(arg) ?? [];
    const name = nameOf.get(flag);
    const takesValue = name !== undefined && known[name]!.value !== undefined;
    if (name !== undefined && !takesValue && value !== undefined) throw takesNoValue(name, value);
    if (takesValue && value === undefined && next !== undefined && /^-(\d.*)?$/.test(next)) {
      joined.push(`${arg}=${next}`);
      index++;
    } else joined.push(name !== undefined && !takesValue ? `--${name}=true` : arg);
  }
  return joined;
}

/** Several flags in one, such as `-k0`, which the parser takes for a flag and a number. */
function separate(arg: string, known: Readonly<Record<string, Flag>>, nameOf: Map<string, string>): string[] {
  const [, letter, rest] = /^-([^-])(.+)$/s.exec(arg) ?? [];
  const name = nameOf.get(`-${letter}`);
  if (name === undefined || known[name]!.value !== undefined || !nameOf.has(`-${rest![0]}`)) return [arg];
  return [`-${letter}`, ...separate(`-${rest}`, known, nameOf)];
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

function takesNoValue(name: string, value: string): UsageError {
  return new UsageError(`--${name} takes no value, got ${excerpt(value)}`);
}

function unknownFlag(flag: string, known: Readonly<Record<string, Flag>>): UsageError {
  return new UsageError(
    `Unknown flag ${excerpt(flag)}, did you mean ${closestString(flag, [...namesBySpelling(known).keys()])}?`,
  );
}

/** The flag as it stands in the help, such as `-j, --jobs N|N%`. */
export function spelling(name: string, { short, value }: Flag): string {
  return `${short ? `-${short}, ` : ""}--${name}${value ? ` ${value}` : ""}`;
}
