import { excerpt } from "../../text/excerpt.ts";
import { nearest } from "../../text/nearest.ts";
import { quoteForReading, SHELL_SYNTAX } from "./command_words.ts";
import { namesPath } from "./operands.ts";
import { UsageError } from "./usage_error.ts";

/** Limit of the length of a command line in a message. */
const MAX_LENGTH = 200;

/**
 * Returns the error for a first operand that is neither a command nor a file; `undefined` if it may be the path of a file.
 *
 * @param args all arguments, which the error shows with the command that is missing.
 * @param hasMore whether operands or values follow the first operand.
 */
export function unknownCommand(
  name: string,
  args: readonly string[],
  hasMore: boolean,
  commands: readonly string[],
): UsageError | undefined {
  if (namesPath(name)) return undefined;
  const isWord = /^[A-Za-z][\w-]*$/.test(name);
  if (!isWord && !SHELL_SYNTAX.test(name)) return undefined;
  const near = isWord ? nearest(name, commands, Math.max(1, Math.floor(name.length / 3))) : undefined;
  if (near) return new UsageError(`Unknown command ${excerpt(name)}, did you mean ${near}?`);
  const line = `taskrunner each ${args.map(quoteForReading).join(" ")}`;
  const example = line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH)}…` : line;
  if (hasMore || !isWord) {
    return new UsageError(`Unknown command ${excerpt(name)}: to run it for each value, write ${example}`);
  }
  const reason = "no command or file has this name";
  return new UsageError(`Unknown command ${excerpt(name)}: ${reason}; to run it for each line, write ${example}`);
}
