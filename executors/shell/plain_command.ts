/**
 * Recognizes commands that behave the same in a subshell of a running shell as in a fresh `sh -c`.
 *
 * The parser covers a part of the shell grammar, and rejects everything else: a rejected command runs in a fresh shell,
 * which is slower but always right. `grammar/` has the parts: tables of reserved words, built-in commands and variables, the
 * lexer, and the parser.
 *
 * @module
 */

import { parseCommand } from "./grammar/parser.ts";

export { FUNCTION_PREFIX } from "./grammar/builtin_commands.ts";
export { isPlainVariable } from "./grammar/variables.ts";

/**
 * The way in which a worker runs a command: `plain` in a subshell, `simple` in a subshell at any line of the script, and
 * `other` in a fresh shell.
 *
 * A simple command is a single program, or a built-in command without errors, and has no redirections. The only message
 * that the shell can print about it is that the program cannot run, and then that message is the whole output.
 */
export type CommandKind = "simple" | "plain" | "other";

/** Classifies a command by its text. */
export function classifyCommand(command: string): CommandKind {
  const parsed = parseCommand(command);
  return parsed === undefined ? "other" : parsed === "simple" ? "simple" : "plain";
}
