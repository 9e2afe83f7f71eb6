/** What shell workers read: the text that carries out one attempt, and the report that it ends with. @module */

import { shellQuote } from "../internal/shell_quote.ts";
import type { CommandKind } from "./plain_command.ts";
import { TASK_VARIABLES } from "./task_variables.ts";

/** Files of one attempt. */
export interface AttemptFiles {
  stdin: string;
  stdout: string;
  stderr: string;
  /** Only for output through pipes. */
  status: string;
}

/** What the script of an attempt has to do. */
export interface ScriptOptions {
  /** Stands in the report, so that it cannot be that of another attempt. */
  number: number;
  cmd: string | readonly string[];
  cwd: string | undefined;
  /** {@linkcode TASK_VARIABLES} with their values; the worker exports them. */
  variables: Readonly<Record<string, string>>;
  /** Only variables that a shell can have. */
  env: Readonly<Record<string, string>> | undefined;
  shell: string;
  files: AttemptFiles;
  kind: CommandKind;
  /** Whether the outputs must be pipes, as for a command that opens them by name. */
  wantsPipes: boolean;
}

/** The system takes no argument that is longer, with the NUL at its end. */
const MAX_ARGUMENT_BYTES = 128 * 1024 - 1;

/** What a task may send to the whole group of its worker, which has to outlive it. */
const SIGNALS = "HUP INT QUIT PIPE ALRM TERM USR1 USR2";

/** What the functions of workers are called. No plain command may begin like that. */
export const FUNCTION_PREFIX = "_taskrunner_";
const [RUN, OPEN, REPORT, CLEAN] = ["run", "open", "report", "clean"].map((name) => FUNCTION_PREFIX + name);

/**
 * What a worker reads first. It outlives what a task sends to its group, and cleans up when its runner is suddenly gone.
 * Signals are caught, as a subshell then has them back by itself, where one would have to be told not to ignore them.
 *
 * `run` runs a script whose lines are counted from 1, as those of a fresh shell are, for the messages that name a line.
 * `eval` does that, too, but puts its own name into each message. Whoever sends the signal again finds nothing to run.
 * A trap that went off meanwhile would take the place of the attempt's status, so signals are ignored.
 *
 * What each attempt assigns to its variables is in its environment, as they are exported once.
 *
 * `open` makes the files of an attempt those of its subshell. `report` writes how the attempt ended, and uses no
 * variable, which the next one would see. `clean` removes the directory, also those of workers that were killed, and the
 * one they are in with the last of them: each is named after its process, and of one that has ended but is not reaped yet
 * Linux knows no working directory. The first report is that the worker is there, and whether files may be of any size:
 * output that is a file would end a task that may print as much as it likes into a pipe.
 */
export function workerScript(number: number, directory: string, parent: string): string {
  const [own, common] = [directory, parent].map(shellQuote);
  return `export ${TASK_VARIABLES.join(" ")}
trap : ${SIGNALS}
${CLEAN}() {
  [ -d ${common} ] || return
  rm -rf ${own}
  for directory in ${common}/*; do
    pid="\${directory##*/}"
    kill -0 "$pid" && { [ -e "/proc/$pid/cwd" ] || [ ! -e "/proc/$$/cwd" ]; } || rm -rf "$directory"
  done
  rmdir ${common}
} 2>/dev/null
trap ${CLEAN} EXIT
${RUN}() { trap '' ${SIGNALS}; trap "trap '' USR1; $1" USR1; kill -s USR1 $$; trap : ${SIGNALS}; }
${OPEN}() { exec <"$1" >>"$2" 2>>"$3"; }
${REPORT}() { [ -s "$3" ]; set -- "$1" "$2" $?; times; echo "$2 $1 $3"; }
[ "$(ulimit -f)" = unlimited ]
${REPORT} $? ${number} /
`;
}

/**
 * What a worker is told when it is to end while its runner goes on: what it leaves on the disk is still wanted, unless the
 * runner is gone before it.
 */
export const RETIREMENT_SCRIPT = `trap 'kill -0 $PPID 2>/dev/null || ${CLEAN}' EXIT\n`;

/** The script that runs one attempt and reports how it ended. It is one line when the command is simple. */
export function attemptScript(options: ScriptOptions): string {
  const { number, cmd, cwd, variables, env, shell, files, kind, wantsPipes } = options;
  const assign = `${assignments(variables)}; `;
  const enter = cwd === undefined ? "" : changeDirectory(cwd);
  const exports = env === undefined ? "" : exportVariables(env);
  const [stdin, stdout, stderr] = [files.stdin, files.stdout, files.stderr].map(shellQuote);
  const report = `; ${REPORT} $? ${number} ${stderr}\n`;
  if (wantsPipes) {
    return `${assign}(${enter}${throughPipes(`(${exports}${invocation(cmd, shell)}\n)`, files)})${report}`;
  }
  // What fails before the files are opened is the worker's to tell, and there is no output yet.
  const open = `${enter}${OPEN} ${stdin} ${stdout} ${stderr}; `;
  const isOneLine = !`${assign}${enter}${exports}`.includes("\n");
  if (kind === "simple" && isOneLine && enter === "") {
    return `${assign}(${exports}${cmd}) <${stdin} >>${stdout} 2>>${stderr}${report}`;
  }
  if (kind === "other" || !isOneLine) return `${assign}(${open}${exports}${invocation(cmd, shell)}\n)${report}`;
  return `${assign}${RUN} ${shellQuote(`(${open}trap - ${SIGNALS}; ${exports}${cmd}\n)${report}`)}\n`;
}

/**
 * Runs a subshell with pipes for its outputs, which two processes write to the files. A file that a command opens by a
 * name such as /dev/stderr would be emptied. The status takes a way of its own past the ends of the pipes.
 */
function throughPipes(subshell: string, { stdin, stdout, stderr, status }: AttemptFiles): string {
  const source = `${subshell} <${shellQuote(stdin)} 2>&4 3>&- 4>&-; echo "$?" >${shellQuote(status)}`;
  return `{ { ${source}; } 4>&1 >&3 2>/dev/null | cat >>${shellQuote(stderr)} 3>&-; } 3>&1 | ` +
    `cat >>${shellQuote(stdout)}; read -r status <${shellQuote(status)}; exit "\${status:-137}"`;
}

function invocation(cmd: string | readonly string[], shell: string): string {
  if (typeof cmd !== "string") return `exec ${cmd.map(shellQuote).join(" ")}`;
  if (isLongerThanAnArgument(cmd)) return `unset -f ${RUN} ${OPEN} ${REPORT} ${CLEAN}; eval ${shellQuote(cmd)}`;
  return `exec ${shellQuote(shell)} -c -- ${shellQuote(cmd)} ${shellQuote(shell)}`;
}

/** Whether a command is too long for a shell of its own. */
function isLongerThanAnArgument(cmd: string): boolean {
  return cmd.length * 3 > MAX_ARGUMENT_BYTES && new TextEncoder().encode(cmd).length > MAX_ARGUMENT_BYTES;
}

/** A worker's way into a directory: `.`-relative, because of CDPATH, and back to the OLDPWD that a task would see. */
function changeDirectory(cwd: string): string {
  const path = shellQuote(cwd.startsWith("/") ? cwd : `./${cwd}`);
  return 'set -- ${OLDPWD+"$OLDPWD"}; ' + `cd -P -- ${path} || exit 126; ` +
    'unset OLDPWD; [ $# = 0 ] || export OLDPWD="$1"; set --; ';
}

function exportVariables(env: Readonly<Record<string, string>>): string {
  const text = assignments(env);
  return text === "" ? "" : `export ${text}; `;
}

function assignments(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables).map(([name, value]) => `${name}=${shellQuote(value)}`).join(" ");
}

/** What a worker reports about an attempt. */
export interface Report {
  /** As `$?` gives it. */
  status: number;
  stderrIsEmpty: boolean;
  /** The CPU time of all that the worker has run so far, as `times` prints it. */
  times: string;
  /** What the shell itself had to say: that a signal ended the command, or that it could not be run. */
  messages: string;
}

/** Reads the report from what a worker has written, or `undefined` when it is not complete. */
export function parseReport(text: string, number: number): Report | undefined {
  if (!text.endsWith("\n")) return undefined;
  const last = text.lastIndexOf("\n", text.length - 2) + 1;
  const [reported, status, stderrStatus] = text.slice(last, -1).split(" ");
  if (reported !== `${number}` || last === 0) return undefined;
  const times = text.lastIndexOf("\n", last - 2) + 1; // of its children; before it stands its own
  const messagesEnd = text.lastIndexOf("\n", times - 2);
  return {
    status: Number(status),
    stderrIsEmpty: stderrStatus !== "0",
    times: text.slice(times, last - 1),
    messages: messagesEnd <= 0 ? "" : text.slice(0, messagesEnd),
  };
}

/** Milliseconds of user and of system time: `1m2.34s 0m0.1s`, with a comma in some languages. */
export function parseTimes(times: string): [userMs: number, systemMs: number] {
  const [user, system] = times.split(" ").map((time) => {
    const [minutes, seconds] = time.split("m");
    return Math.round((Number(minutes) * 60 + parseFloat(seconds!.replace(",", "."))) * 1000);
  });
  return [user!, system!];
}

/** A script whose report has the messages of a plain command on two lines, and of `exec`, for missing programs. */
export function traitsScript(number: number, program: string, name: string): string {
  return `${RUN} ${
    shellQuote(`(${program}\n${program}\n)`)
  }; (exec ${program}); (exec ${name}); ${REPORT} 0 ${number} /\n`;
}
