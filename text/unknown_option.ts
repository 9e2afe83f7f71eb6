import { excerpt } from "./excerpt.ts";
import { nearest } from "./nearest.ts";

/** The options that a function takes, and other names for what they do. */
export interface OptionNames {
  known: readonly string[];
  /** Advice by the name that another tool has for it, such as `use "concurrency"`. */
  advice: ReadonlyMap<string, string>;
}

/** One option, as other tools know it. */
export interface OptionHint {
  /** The names that other tools use, separated by spaces. */
  otherNames?: string;
  /** Follows its name in advice, such as `, in milliseconds`. */
  unit?: string;
}

/** Makes the names of options out of a hint for each. */
export function optionNames(hints: Readonly<Record<string, OptionHint>>): OptionNames {
  const advice = Object.entries(hints).flatMap(([option, { otherNames, unit = "" }]) =>
    (otherNames?.split(" ") ?? []).map((name): [string, string] => [name, `use ${JSON.stringify(option)}${unit}`])
  );
  return { known: Object.keys(hints), advice: new Map(advice) };
}

/** Joins the names of options; the advice of the last prevails. */
export function joinOptionNames(...all: readonly OptionNames[]): OptionNames {
  return {
    known: all.flatMap(({ known }) => known),
    advice: new Map(all.flatMap(({ advice }) => [...advice])),
  };
}

/**
 * Checks that options are an object whose properties are all known.
 *
 * @param action stands at the beginning of the message, such as `Cannot start the pool`.
 * @throws `TypeError` that names the first unknown option, and the one that was probably meant.
 */
export function checkOptionNames(options: unknown, { known, advice }: OptionNames, action: string): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`${action}: options must be an object such as { ${known[0]}: … }, got ${excerpt(options)}`);
  }
  const name = Object.keys(options).find((name) => !known.includes(name));
  if (name === undefined) return;
  const near = nearest(name, known);
  const hint = advice.get(name) ??
    (near === undefined ? `known are ${known.join(", ")}` : `did you mean ${excerpt(near)}?`);
  throw new TypeError(`${action}: unknown option ${excerpt(name)}, ${hint}`);
}
