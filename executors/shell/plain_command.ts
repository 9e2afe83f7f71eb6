/**
 * Recognizes commands that behave the same in a subshell of a running shell as in a fresh `sh -c`.
 *
 * The parser covers a small part of the shell grammar, and rejects everything else: a rejected command runs in a fresh
 * shell, which is slower but always right. The parser accepts simple commands of literal text, quotes, variables and
 * globs, with assignments and redirections, joined by `;`, `&`, `&&`, `||`, `|` and newlines.
 *
 * @module
 */

/** The prefix of the functions that workers define, which no plain command may call. */
export const FUNCTION_PREFIX = "_taskrunner_";

/** Words that are reserved in the place of a command, in any shell. */
const RESERVED = "case coproc do done elif else esac fi for function if in select then time until while".split(" ");

/**
 * The built-in commands of all shells, except for the harmless `: [ cd echo false printf pwd test true`. They depend on
 * the state of the shell, change how the shell parses, or exit from more than the subshell.
 */
const BUILTINS = (". alias bg bind break builtin caller chdir command compgen complete compopt continue declare dirs " +
  "disown enable eval exec exit export fc fg getopts global hash help history jobs kill let local logout mapfile mknod " +
  "newgrp popd print pushd read readarray readonly realpath rename return set shift shopt source suspend times trap " +
  "type typeset ulimit umask unalias unset wait whence").split(" ");

/** Harmless built-in commands whose error messages contain the line number. */
const VERBOSE_BUILTINS: ReadonlySet<string> = new Set(["[", "cd", "printf", "pwd", "test"]);

const NOT_PLAIN: ReadonlySet<string> = new Set([...RESERVED, ...BUILTINS]);

/** Variables that shells set themselves, or that change their behavior. */
const SPECIAL_VARIABLES: ReadonlySet<string> = new Set(
  ("BASHOPTS BASHPID BASH_ENV CDPATH ENV EUID FUNCNAME IFS KSHEGID KSHGID KSHUID LINENO OLDPWD OPTARG " +
    "OPTERR OPTIND POSIXLY_CORRECT PPID PS1 PS2 PS3 PS4 PWD RANDOM SECONDS SHELLOPTS TMOUT UID USER_ID _").split(" "),
);

/** Returns whether a shell can export the variable unchanged, without an effect on the shell itself. */
export function isPlainVariable(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !SPECIAL_VARIABLES.has(name);
}

const NAME = "[A-Za-z_][A-Za-z0-9_]*";
const EXPANSION = String.raw`\$(?:${NAME}|\{${NAME}\}|\?)`;
/** Matches runs of characters: matching one by one is slow on Bun. */
const WORD = String
  .raw`(?:[A-Za-z0-9_./:@%+,*?\[\]~=\u0080-\uffff-]+|'[^']*'|"[^"$\\\x60]*(?:${EXPANSION}[^"$\\\x60]*)*"|${EXPANSION})+`;
/** A redirection of a descriptor, or the operator before a file. */
const REDIRECTION = String.raw`[0-9]?[<>]&[0-9](?![^\s;&|])|[0-9]?(>>|>|<)(?![<>&|(])`;
const TOKEN = new RegExp(String.raw`[ \t]+|(${REDIRECTION})|(${WORD})|(&&|\|\||[;&|\n])`, "y");
const ASSIGNMENT = new RegExp(`^(${NAME})=`);
const VARIABLES = new RegExp(String.raw`\$\{?(${NAME})`, "g");

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
  /** The parts of the current simple command. */
  let parsed: "nothing" | "prefix" | "command word" = "nothing";
  /** True when a command must follow: at the beginning, and after `&&`, `||` or `|`. */
  let isRequired = true;
  let expectsFile = false;
  let isSimple = true;
  for (let offset = 0; offset < command.length; offset = TOKEN.lastIndex) {
    TOKEN.lastIndex = offset;
    const token = TOKEN.exec(command);
    if (!token) return "other";
    const [, redirection, toFile, word, operator] = token;
    if (word !== undefined) {
      if (!hasPlainVariables(word)) return "other";
      // Some shells take a number of any length before a redirection as a descriptor.
      if (/^[0-9]+$/.test(word) && /[<>]/.test(command[TOKEN.lastIndex] ?? "")) return "other";
      if (expectsFile) expectsFile = false;
      else if (parsed !== "command word") {
        const variable = ASSIGNMENT.exec(word)?.[1];
        if (variable === undefined ? !isPlainCommandWord(word) : !isPlainVariable(variable)) return "other";
        if (VERBOSE_BUILTINS.has(withoutQuotes(word))) isSimple = false;
        parsed = variable === undefined ? "command word" : "prefix";
      }
    } else if (expectsFile) {
      if (redirection !== undefined || operator !== undefined) return "other";
    } else if (redirection !== undefined) {
      isSimple = false;
      expectsFile = toFile !== undefined;
      if (parsed === "nothing") parsed = "prefix";
    } else if (operator !== undefined) {
      isSimple = false;
      const mayBeBlankLine = operator === "\n" && !isRequired;
      if (parsed === "nothing" && !mayBeBlankLine) return "other";
      parsed = "nothing";
      isRequired = operator === "&&" || operator === "||" || operator === "|";
    }
  }
  if (expectsFile || (parsed === "nothing" && isRequired)) return "other";
  return isSimple && parsed === "command word" ? "simple" : "plain";
}

function hasPlainVariables(word: string): boolean {
  for (const [, name] of word.matchAll(VARIABLES)) {
    if (name !== "PWD" && !isPlainVariable(name!)) return false;
  }
  return true;
}

/** Returns whether a word is the literal name of a command that may run in a subshell. */
function isPlainCommandWord(word: string): boolean {
  if (word === "[") return true;
  if (/[$*?[\]~]/.test(word)) return false;
  const name = withoutQuotes(word);
  return !NOT_PLAIN.has(name) && !name.startsWith(FUNCTION_PREFIX);
}

function withoutQuotes(word: string): string {
  return word.replace(/['"]/g, "");
}
