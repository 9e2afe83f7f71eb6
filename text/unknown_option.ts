import { excerpt } from "./excerpt.ts";
import { nearest } from "./nearest.ts";

/** The option names that a function accepts, and advice for names that other tools use. */
export interface OptionNames {
  known: readonly string[];
  /** Advice such as `use "concurrency"`, keyed by the name in another tool. */
  advice: ReadonlyMap<string, string>;
}

/** The names of an option in other tools. */
export interface OptionHint {
  /** Names in other tools, separated by spaces. */
  otherNames?: string;
  /** Suffix of the advice, such as `, in milliseconds`. */
  unit?: string;
}

/** Builds {@linkcode OptionNames} from one hint per option. */
export function optionNames(hints: Readonly<Record<string, OptionHint>>): OptionNames {
  const advice = Object.entries(hints).flatMap(([option, { otherNames, unit = "" }]) =>
    (otherNames?.split(" ") ?? []).map((name): [string, string] => [name, `use ${JSON.stringify(option)}${unit}`])
  );
  return { known: Object.keys(hints), advice: new Map(advice) };
}

/** Merges sets of option names. If several have advice for a name, the last one wins. */
export function joinOptionNames(...all: readonly OptionNames[]): OptionNames {
  return {
    known: all.flatMap(({ known }) => known),
    advice: new Map(all.flatMap(({ advice }) => [...advice])),
  };
}

/**
 * Throws unless `options` is an object with known properties only.
 *
 * @param action Start of the error message, such as `Cannot start the pool`.
 * @throws `TypeError` that names the first unknown option and the closest known one.
 */
export function checkOptionNames(options: unknown, { known, advice }: OptionNames, action: string): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`${action}: options must be an object such as { ${known[0]}: … }, got ${excerpt(options)}`);
  }
  const name = Object.keys(options).find((name) => !known.includes(name));
  if (name === undefined) return;
  const near = nearest(name, known);
  const hint = advice.get(name) ??
    (near === undefined ? `the known options are ${known.join(", ")}` : `did you mean ${excerpt(near)}?`);
  throw new TypeError(`${action}: unknown option ${excerpt(name)}, ${hint}`);
}
