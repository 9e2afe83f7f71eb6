import process from "node:process";
import { excerpt } from "../../text/excerpt.ts";
import { type Flags, type GivenFlags, spelling, spellingsOf, undoingSpelling } from "./flag.ts";
import { UsageError } from "./usage_error.ts";

/** An option token of `parseArgs`. */
interface OptionToken {
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

/** The parts of a command line. */
export interface Arguments {
  readonly given: GivenFlags;
  /** The first unknown flag, unless {@linkcode error} is about an earlier flag. */
  readonly unknown: string | undefined;
  /** The error of the first flag that lacks its value or takes none, unless an earlier flag is unknown. */
  readonly error: UsageError | undefined;
  /** The arguments that are neither flags nor their values, with the name of the command. */
  readonly operands: readonly string[];
}

/**
 * Separates flags, their values and operands. The last of several values counts, and `--no-NAME` undoes a flag before it.
 * Returns errors, because the command, which the hint names, is an operand.
 *
 * @param endsFlags returns whether the flags of a command end at the operand after its name, as for `env` and `xargs`.
 */
export function splitArguments(
  args: readonly string[],
  known: Flags,
  endsFlags: (name: string) => boolean = () => false,
): Arguments {
  const nameBySpelling = new Map(
    Object.entries(known).flatMap(([name, flag]) => spellingsOf(name, flag).map((spelling) => [spelling, name])),
  );
  const nameByUndoing = new Map(Object.entries(known).map(([name, flag]) => [undoingSpelling(name, flag), name]));
  const options = Object.fromEntries(
    [...nameBySpelling].map(([spelling, name]) => {
      const key = spelling.replace(/^-+/, ""); // of a letter, too: parseArgs has no letters without a long name
      const short = key.length === 1 ? { short: key } : {};
      return [key, { type: known[name]!.unit ? "string" : "boolean", ...short } as const];
    }),
  );
  const { parseArgs } = process.getBuiltinModule("node:util"); // an import would load all that the module can do
  // Not in strict mode, whose messages are worse.
  const { tokens } = parseArgs({ args: [...args], options, allowPositionals: true, strict: false, tokens: true });
  const given: Record<string, string | boolean | string[]> = {};
  const operands: string[] = [];
  let unknown: string | undefined;
  let error: UsageError | undefined;
  for (const token of tokens) {
    // Node and Deno take the second hyphen of `-k-q` for the end of all flags, and parts of the rest for operands.
    if (token.kind === "option-terminator" && args[token.index] !== "--") {
      if (!error) unknown ??= "--";
      break;
    }
    if (token.kind === "positional") {
      if (operands.length === 1 && endsFlags(operands[0]!)) {
        operands.push(...args.slice(token.index));
        break;
      }
      operands.push(token.value);
    }
    if (unknown !== undefined || error) continue; // the tokens after it may be parts of its value
    if (token.kind !== "option") continue;
    const { rawName, value } = token;
    const name = nameBySpelling.get(rawName);
    if (name === undefined) {
      const undone = nameByUndoing.get(rawName);
      if (undone === undefined) unknown = rawName;
      else if (value === undefined) given[undone] = false;
      else error = new UsageError(`${rawName} takes no value, got ${excerpt(value)}`);
      continue;
    }
    const flag = known[name]!;
    if (flag.unit) {
      const text = givenValue(token);
      if (text === undefined || (text === "" && !flag.unit.takesEmpty)) {
        error = new UsageError(`Missing value for --${name}: ${spelling(name, flag)}`);
      } else given[name] = flag.repeats ? [...given[name] as string[] | false | undefined || [], text] : text;
    } else if (value === undefined) given[name] = true;
    else error = new UsageError(`--${name} takes no value, got ${excerpt(value)}`);
  }
  return { given, unknown, error, operands };
}

/** Returns the value of `--jobs=4`, `-j4`, `-j=4` or `-j 4`; `undefined` if there is none. */
function givenValue({ rawName, value, inlineValue }: OptionToken): string | undefined {
  if (inlineValue) return rawName.startsWith("--") ? value : value?.replace(/^=/, "");
  // A negative number is a value, whose unit has a message for it; another flag is not.
  return /^-[^\d]/.test(value ?? "") ? undefined : value;
}
