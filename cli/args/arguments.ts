import { parseArgs } from "node:util";
import { excerpt } from "../../text/excerpt.ts";
import { nearest } from "../../text/nearest.ts";
import { answerToForeignFlag } from "./foreign_flags.ts";
import { UsageError } from "./usage_error.ts";

/** A flag of the command line. */
export interface Flag {
  short?: string;
  /** What stands for its value in the help; a flag without one is on or off. */
  value?: string;
  help: string;
}

/** What `parseArgs` says of a flag that was given. */
interface OptionToken {
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

/** What was given on the command line, by the long name of the flag. */
export interface Arguments<Known extends Readonly<Record<string, Flag>>> {
  flags: { readonly [Name in keyof Known]?: Known[Name] extends { value: string } ? string : true };
  operands: string[];
}

/**
 * Takes the command line apart.
 *
 * @throws {UsageError} for a flag without its value, and for an unknown flag, with the one that was probably meant.
 */
export function parseArguments<Known extends Readonly<Record<string, Flag>>>(
  args: readonly string[],
  known: Known,
): Arguments<Known> {
  const options = Object.fromEntries(
    Object.entries(known).map(([name, { short, value }]) => {
      return [name, { type: value === undefined ? "boolean" : "string", ...(short && { short }) } as const];
    }),
  );
  // It is only to tell them apart: what it finds wrong in strict mode it says less well.
  const { tokens } = parseArgs({ args: [...args], options, allowPositionals: true, strict: false, tokens: true });
  const flags: Record<string, string | true> = {};
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    // In Node and Deno the second hyphen of `-k-q` counts as the end of all flags.
    if (token.kind === "option-terminator" && args[token.index] !== "--") throw unknownFlag("--", known);
    if (token.kind !== "option") continue;
    const { name, rawName, value } = token;
    if (!Object.hasOwn(known, name)) throw unknownFlag(rawName, known);
    if (known[name]!.value !== undefined) {
      flags[name] = givenValue(token) ?? lacksValue(name, known[name]!);
    } else if (value === undefined) flags[name] = true;
    else throw new UsageError(`--${name} takes no value, got ${excerpt(value)}`);
  }
  return { flags: flags as Arguments<Known>["flags"], operands };
}

/** The value, as in `--jobs=4`, `-j4`, `-j=4` and `-j 4`; `undefined` when there is none. */
function givenValue({ rawName, value, inlineValue }: OptionToken): string | undefined {
  if (inlineValue) return (rawName.startsWith("--") ? value : value?.replace(/^=/, "")) || undefined;
  // A negative number is one, for the check that can say what is wrong with it; any other flag is not.
  return /^-[^\d]/.test(value ?? "") ? undefined : value || undefined;
}

function lacksValue(name: string, flag: Flag): never {
  throw new UsageError(`--${name} needs a value: ${spelling(name, flag)}`);
}

function unknownFlag(flag: string, known: Readonly<Record<string, Flag>>): UsageError {
  const spellings = Object.entries(known).flatMap(([name, { short }]) =>
    short ? [`--${name}`, `-${short}`] : `--${name}`
  );
  const answer = answerToForeignFlag(flag);
  if (answer) return new UsageError(`Unknown flag ${excerpt(flag)}: ${answer}`);
  const near = nearest(flag, spellings);
  return new UsageError(`Unknown flag ${excerpt(flag)}${near ? `, did you mean ${near}?` : ""}`);
}

/** The flag as it stands in the help, such as `-j, --jobs N|N%`. */
export function spelling(name: string, { short, value }: Flag): string {
  return `${short ? `-${short}, ` : ""}--${name}${value ? ` ${value}` : ""}`;
}
