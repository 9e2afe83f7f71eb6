/** Recognizes commands that need no process of their own. @module */

/** Built-in commands that neither fail nor change the shell. */
export const SILENT_BUILTINS: ReadonlySet<string> = new Set([":", "echo", "false", "true"]);
const BUILTIN = new RegExp(String.raw`^[ \t]*(?:${[...SILENT_BUILTINS].join("|")})(?![^ \t])`);
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
