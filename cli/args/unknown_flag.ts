import { excerpt } from "../../text/excerpt.ts";
import { nearest } from "../../text/nearest.ts";
import { type Flags, spellingsOf, undoingSpelling } from "./flag.ts";
import { answerToForeignFlag } from "./foreign_flags.ts";
import { UsageError } from "./usage_error.ts";

/** Returns the error for an unknown flag, with its equivalent or the nearest flags if there are any. */
export function unknownFlag(flag: string, known: Flags): UsageError {
  const undoes = flag.startsWith("--no-");
  const spellings = Object.entries(known).flatMap(([name, flag]) => {
    return [...spellingsOf(name, flag), ...undoes ? [undoingSpelling(name, flag) ?? []].flat() : []];
  });
  const answer = answerToForeignFlag(flag);
  if (answer) return new UsageError(`Unknown flag ${excerpt(flag)}: ${answer}`);
  const near = nearFlags(flag, spellings);
  return new UsageError(`Unknown flag ${excerpt(flag)}${near ? `, did you mean ${near}?` : ""}`);
}

/** Number of flags that a message names. */
const MAX_NAMED_FLAGS = 3;

/** Returns the flag that differs in a few letters, else the flags that continue the given flag or that it continues. */
function nearFlags(flag: string, spellings: readonly string[]): string | undefined {
  const near = (name: string) => nearest(name, spellings, Math.max(1, Math.floor((name.length - 2) / 3)));
  const typo = near(flag);
  if (typo || !/^--.../.test(flag)) return typo;
  const related = spellings.filter((other) =>
    other.startsWith(flag) || (other.length > "--xx".length && flag.startsWith(`${other}-`))
  );
  return related.length <= MAX_NAMED_FLAGS ? related.join(" or ") : undefined;
}
