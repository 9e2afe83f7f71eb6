/**
 * Recognises commands that mean the same in a subshell of a shell that is running already as under a fresh `sh -c`.
 *
 * It knows a small part of the shell's grammar, and in case of doubt the answer is no: then the command gets a shell of
 * its own, which is slower and cannot be wrong. Plain are simple commands of literal text, quotes, variables and globs,
 * with assignments and redirections, joined by `;`, `&`, `&&`, `||`, `|` and line ends.
 *
 * @module
 */

/** The prefix of the functions in a worker. No plain command may begin with it. */
export const FUNCTION_PREFIX = "_taskrunner_";

/** What begins or continues something larger where a command is expected, in any shell. */
const RESERVED = "case coproc do done elif else esac fi for function if in select then time until while".split(" ");

/**
 * The built-in commands of all shells but for those that are harmless (`: [ cd echo false printf pwd test true`). They
 * look at the shell they run in, change how it reads what follows, or end more than a subshell.
 */
const BUILTINS = (". alias bg bind break builtin caller chdir command compgen complete compopt continue declare dirs " +
  "disown enable eval exec exit export fc fg getopts global hash help history jobs kill let local logout mapfile mknod " +
  "newgrp popd print pushd read readarray readonly realpath rename return set shift shopt source suspend times trap " +
  "type typeset ulimit umask unalias unset wait whence").split(" ");

/** Harmless built-in commands that have more than one way to fail, and name the line then. */
const VERBOSE_BUILTINS: ReadonlySet<string> = new Set(["[", "cd", "printf", "pwd", "test"]);

const NOT_PLAIN: ReadonlySet<string> = new Set([...RESERVED, ...BUILTINS]);

/** Variables that shells make up, or that change what they do. */
const SPECIAL_VARIABLES: ReadonlySet<string> = new Set(
  ("BASHOPTS BASHPID BASH_ENV CDPATH ENV EUID FUNCNAME IFS KSHEGID KSHGID KSHUID LINENO OLDPWD OPTARG " +
    "OPTERR OPTIND POSIXLY_CORRECT PPID PS1 PS2 PS3 PS4 PWD RANDOM SECONDS SHELLOPTS TMOUT UID USER_ID _").split(" "),
);

/** Whether a shell can set the variable and everything it starts then sees just that. */
export function isPlainVariable(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !SPECIAL_VARIABLES.has(name);
}

const NAME = "[A-Za-z_][A-Za-z0-9_]*";
const EXPANSION = String.raw`\$(?:${NAME}|\{${NAME}\}|\?)`;
/** Takes many characters at a time where it can: one by one, Bun's regular expressions are slow. */
const WORD = String
  .raw`(?:[A-Za-z0-9_./:@%+,*?\[\]~=\u0080-\uffff-]+|'[^']*'|"[^"$\\\x60]*(?:${EXPANSION}[^"$\\\x60]*)*"|${EXPANSION})+`;
/** To or from a descriptor, or a file that is still to come. */
const REDIRECTION = String.raw`[0-9]?[<>]&[0-9](?![^\s;&|])|[0-9]?(>>|>|<)(?![<>&|(])`;
const TOKEN = new RegExp(String.raw`[ \t]+|(${REDIRECTION})|(${WORD})|(&&|\|\||[;&|\n])`, "y");
const ASSIGNMENT = new RegExp(`^(${NAME})=`);
const VARIABLES = new RegExp(String.raw`\$\{?(${NAME})`, "g");

/**
 * What a worker can do with a command: run it as it is in a subshell when it is `plain`, on whatever line when it is even
 * `simple`, and hand it to a shell of its own when it is any `other`.
 *
 * A simple one is a single program, or a built-in command that has no errors, without redirections: the shell has nothing
 * to say about it but that it cannot be run, and then that is all there is to say.
 */
export type CommandKind = "simple" | "plain" | "other";

/** Finds out what kind of command it is. */
export function classifyCommand(command: string): CommandKind {
  /** What the simple command under way has had so far. */
  let has: "nothing" | "no command word" | "a command word" = "nothing";
  /** What stands before it calls for a command: the beginning, `&&`, `||` or `|`. */
  let isRequired = true;
  let wantsFile = false;
  let isSimple = true;
  for (let offset = 0; offset < command.length; offset = TOKEN.lastIndex) {
    TOKEN.lastIndex = offset;
    const token = TOKEN.exec(command);
    if (!token) return "other";
    const [, redirection, toFile, word, operator] = token;
    if (word !== undefined) {
      if (!hasPlainVariables(word)) return "other";
      // In some shells a number before a redirection is a descriptor, however long it is.
      if (/^[0-9]+$/.test(word) && /[<>]/.test(command[TOKEN.lastIndex] ?? "")) return "other";
      if (wantsFile) wantsFile = false;
      else if (has !== "a command word") {
        const variable = ASSIGNMENT.exec(word)?.[1];
        if (variable === undefined ? !isPlainCommandWord(word) : !isPlainVariable(variable)) return "other";
        if (VERBOSE_BUILTINS.has(withoutQuotes(word))) isSimple = false;
        has = variable === undefined ? "a command word" : "no command word";
      }
    } else if (wantsFile) {
      if (redirection !== undefined || operator !== undefined) return "other";
    } else if (redirection !== undefined) {
      isSimple = false;
      wantsFile = toFile !== undefined;
      if (has === "nothing") has = "no command word";
    } else if (operator !== undefined) {
      isSimple = false;
      const mayBeBlankLine = operator === "\n" && !isRequired;
      if (has === "nothing" && !mayBeBlankLine) return "other";
      has = "nothing";
      isRequired = operator === "&&" || operator === "||" || operator === "|";
    }
  }
  if (wantsFile || (has === "nothing" && isRequired)) return "other";
  return isSimple && has === "a command word" ? "simple" : "plain";
}

function hasPlainVariables(word: string): boolean {
  for (const [, name] of word.matchAll(VARIABLES)) {
    if (name !== "PWD" && !isPlainVariable(name!)) return false;
  }
  return true;
}

/** The name of a command must stand there as it is: what a variable or a file name would make of it cannot be seen. */
function isPlainCommandWord(word: string): boolean {
  if (word === "[") return true;
  if (/[$*?[\]~]/.test(word)) return false;
  const name = withoutQuotes(word);
  return !NOT_PLAIN.has(name) && !name.startsWith(FUNCTION_PREFIX);
}

function withoutQuotes(word: string): string {
  return word.replace(/['"]/g, "");
}
