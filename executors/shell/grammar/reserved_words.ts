/** Reserved words, and the compound commands that consist of them. @module */

/**
 * The words that may end the list of commands after a word. A word without an entry ends its compound command. `for` and
 * `case` have headers before their lists, which the parser reads.
 *
 * See "Shell Grammar" in section 2.10 of the shell command language of POSIX.
 */
export const LIST_ENDS: ReadonlyMap<string, readonly string[]> = new Map([
  ["if", ["then"]],
  ["then", ["elif", "else", "fi"]],
  ["elif", ["then"]],
  ["else", ["fi"]],
  ["while", ["do"]],
  ["until", ["do"]],
  ["do", ["done"]],
  ["{", ["}"]],
  ["(", [")"]],
]);

/** Words that begin a compound command. */
export const COMPOUND_BEGINNINGS: ReadonlySet<string> = new Set(["{", "(", "case", "for", "if", "until", "while"]);

/** Words that are reserved in the place of a command. The last line has those of other shells than dash. */
export const RESERVED_WORDS: ReadonlySet<string> = new Set(
  ("! { } case do done elif else esac fi for if in then until while " +
    "[[ ]] coproc function select time").split(" "),
);
