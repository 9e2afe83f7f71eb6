/** Recognizes commands that only start a program. @module */

import { SILENT_BUILTINS } from "../builtin_command.ts";
import { commandRule } from "../grammar/builtin_commands.ts";
import { RESERVED_WORDS } from "../grammar/reserved_words.ts";

const NAME = /^[A-Za-z0-9_./+-]+$/;
/** A word without expansions: parts in single or double quotes, and characters that mean themselves. */
const WORD = /(?:[A-Za-z0-9_@%+=:,./^-]|'[^']*'|"[^"$`\\]*")+/y;
const GAP = /[ \t]+/y;
const QUOTED = /'([^']*)'|"([^"]*)"/g;

/**
 * Splits a command into the program and its arguments.
 *
 * @returns `undefined` when a shell does more than start a program with these words, or when that is uncertain.
 */
export function programWords(command: string): string[] | undefined {
  const words: string[] = [];
  let index = 0;
  for (;;) {
    index = endOfMatch(GAP, command, index) ?? index;
    if (index === command.length) break;
    const end = endOfMatch(WORD, command, index);
    if (end === undefined) return undefined;
    const text = command.slice(index, end);
    if (words.length === 0 && !isProgramName(text)) return undefined;
    words.push(text.replace(QUOTED, (_text, single?: string, double?: string) => single ?? double ?? ""));
    index = end;
    if (index < command.length && command[index] !== " " && command[index] !== "\t") return undefined;
  }
  return words.length === 0 ? undefined : words;
}

function endOfMatch(pattern: RegExp, text: string, index: number): number | undefined {
  pattern.lastIndex = index;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function isProgramName(name: string): boolean {
  return NAME.test(name) && !RESERVED_WORDS.has(name) && !SILENT_BUILTINS.has(name) && commandRule(name) === "silent";
}
