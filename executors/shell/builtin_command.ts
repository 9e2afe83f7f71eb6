/** Recognizes commands that need no process of their own. @module */

/** Matches a command of a built-in command that neither fails nor changes the shell. */
const BUILTIN = /^[ \t]*(?:echo|true|false|:)(?![^ \t])/;
const QUOTED = /'[^']*'|"[^"]*"/g;
/** Patterns read directories, which may take long, and cannot be interrupted in the worker itself. */
const UNQUOTED_EXPANSION = /[$*?[~]/;

/**
 * Returns whether a worker can run a command without a subshell: the command only prints, and ends at once.
 *
 * @param command A command of the kind `simple`.
 */
export function isBuiltinCommand(command: string): boolean {
  return BUILTIN.test(command) && !UNQUOTED_EXPANSION.test(command.replace(QUOTED, ""));
}
