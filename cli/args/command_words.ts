import { existsSync } from "node:fs";
import { excerpt } from "../../text/excerpt.ts";
import { quoteArgument } from "../../text/shell_quote.ts";
import { splitArguments } from "./arguments.ts";
import type { Flags } from "./flag.ts";
import { UsageError } from "./usage_error.ts";

/** Characters that only a shell handles. A program seldom has them in its name. */
export const SHELL_SYNTAX = /[\s|&;<>()$`"'\\]/;

/**
 * Checks the words of a COMMAND: a single word is a shell command, and several are a program and its arguments.
 *
 * @param flags the flags that may stand before COMMAND.
 * @throws {UsageError} for a shell command with arguments, which are flags at the wrong place or a part of it.
 */
export function checkCommandWords([command = "", ...more]: readonly string[], flags: Flags): void {
  if (more.length === 0 || !SHELL_SYNTAX.test(command) || existsSync(command)) return;
  const rule = areFlags(more, flags)
    ? "flags of taskrunner go before it"
    : "a shell command is one argument; put flags of taskrunner before it";
  const example = [...areFlags(more, flags) ? more : ["-j", "4"], command].map(quoteForReading).join(" ");
  throw new UsageError(`Cannot run ${excerpt(command)} with arguments: ${rule}, as in taskrunner each ${example}`);
}

/** Quotes a word of a command line for people, who write placeholders without quotes. */
export function quoteForReading(word: string): string {
  return /^\{[\w./#%-]*\}$/.test(word) ? word : quoteArgument(word);
}

function areFlags(words: readonly string[], flags: Flags): boolean {
  const { operands, unknown, error } = splitArguments(words, flags);
  return operands.length === 0 && unknown === undefined && error === undefined;
}
