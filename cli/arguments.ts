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
  const spelled = Object.entries(known).flatMap(([name, { short }]) => [`--${name}`, ...(short ? [`-${short}`] : [])]);
  const parsed: Record<string, unknown> = parseArgs(joinValues(args, known), {
    string: ["_", ...names.filter(isText)],
    boolean: names.filter((name) => !isText(name)),
    alias: Object.fromEntries(Object.entries(known).flatMap(([name, { short }]) => short ? [[name, short]] : [])),
    unknown(arg: string, key?: string) {
      if (key === undefined) return;
      const flag = arg.startsWith("--") ? `--${key}` : `-${key}`;
      throw new UsageError(`Unknown flag ${excerpt(flag)}, did you mean ${closestString(flag, spelled)}?`);
    },
  });
  const flags: Record<string, string | true> = {};
  for (const name of names) {
    const value = parsed[name];
    if (value === "") throw new UsageError(`--${name} needs a value: ${spelling(name, known[name]!)}`);
    if (typeof value === "string" || value === true) flags[name] = value;
  }
  return { flags: flags as Arguments<Known>["flags"], operands: parsed["_"] as string[] };
}

/** A negative number and `-` would pass for a flag; as `--flag=-1` they reach the check that can say what is wrong. */
function joinValues(args: readonly string[], known: Readonly<Record<string, Flag>>): string[] {
  const takesValue = new Set(
    Object.entries(known).flatMap(([name, { short, value }]) => value ? [`--${name}`, `-${short}`] : []),
  );
  const joined: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") return [...joined, ...args.slice(index)];
    const next = args[index + 1];
    if (takesValue.has(arg) && next !== undefined && /^-(\d.*)?$/.test(next)) {
      joined.push(`${arg}=${next}`);
      index++;
    } else joined.push(arg);
  }
  return joined;
}

/** The flag as it stands in the help, such as `-j, --jobs N|N%`. */
export function spelling(name: string, { short, value }: Flag): string {
  return `${short ? `-${short}, ` : ""}--${name}${value ? ` ${value}` : ""}`;
}
