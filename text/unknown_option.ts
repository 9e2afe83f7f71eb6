import { excerpt } from "./excerpt.ts";
import { nearest } from "./nearest.ts";

/** The options that a function takes, and other names for what they do. */
export interface OptionNames {
  known: readonly string[];
  /** Advice by the name that another tool has for it, such as `use "concurrency"`. */
  advice: ReadonlyMap<string, string>;
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
