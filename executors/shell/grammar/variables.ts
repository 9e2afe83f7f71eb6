/** Variables that a task may use in a worker. @module */

/** Variables that shells set themselves, or that change their behavior. */
const SPECIAL_VARIABLES: ReadonlySet<string> = new Set(
  ("BASHOPTS BASHPID BASH_ENV CDPATH ENV EUID FUNCNAME IFS KSHEGID KSHGID KSHUID LINENO OLDPWD OPTARG " +
    "OPTERR OPTIND POSIXLY_CORRECT PPID PS1 PS2 PS3 PS4 PWD RANDOM SECONDS SHELLOPTS TMOUT UID USER_ID _").split(" "),
);

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Returns whether a shell can export the variable unchanged, without an effect on the shell itself. */
export function isPlainVariable(name: string): boolean {
  return NAME.test(name) && !SPECIAL_VARIABLES.has(name);
}

/** Returns whether a plain command may assign the variable. In a subshell, `IFS` affects only the command. */
export function isAssignable(name: string): boolean {
  return !SPECIAL_VARIABLES.has(name) || name === "IFS";
}

/** Returns whether the variable has the same value in a worker as in a fresh shell. */
export function isReadable(name: string): boolean {
  return !SPECIAL_VARIABLES.has(name) || name === "PWD";
}
