/** Scripts for shell workers: each carries out one attempt and ends with its report. @module */

import { shellQuote } from "../../text/shell_quote.ts";
import { type CommandKind, FUNCTION_PREFIX } from "./plain_command.ts";
import { UPTIME_FILE } from "../../system/system_uptime.ts";
import { TASK_VARIABLES } from "../task_variables.ts";

/** Files of one attempt. */
export interface AttemptFiles {
  /** A file of the worker, or `/dev/null`. */
  stdin: string;
  stdout: string;
  stderr: string;
  /** Made by the worker when `exec` failed, so that nothing ran. */
  execFailure: string;
  /** Made by the worker when the task's own file for standard input could not be opened, so that nothing ran. */
  inputFailure: string;
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
  /** The task's own file for standard input, relative to `cwd`. */
  inputFile: string | undefined;
  kind: CommandKind;
  /** Whether the outputs must be pipes, as for a command that opens them by name. */
  usesPipes: boolean;
  /** True when the worker has to report the beginning of the command, as a timeout counts from there. */
  reportsBegin: boolean;
}

/** Options of the first script of a worker. */
export interface WorkerScriptOptions {
  /** The number of the first report. */
  number: number;
  /** Begins each line of the worker's reports. No task can know it. */
  token: string;
  /** The directory of the worker. */
  directory: string;
  /** The directory that it is in, with those of the other workers. */
  parent: string;
  /** Variables that this script sets or, for `undefined`, unsets: those that starting a shell changes. */
  restored: Readonly<Record<string, string | undefined>>;
}

/** The system takes no argument that is longer, with the NUL at its end. */
const MAX_ARGUMENT_BYTES = 128 * 1024 - 1;

/** What a task may send to the whole group of its worker, which has to outlive it. */
const SIGNALS = "HUP INT QUIT PIPE ALRM TERM USR1 USR2";

const FUNCTIONS = ["run", "open", "input", "begin", "guard", "fail", "status", "report", "clean"].map((name) =>
  FUNCTION_PREFIX + name
);
/** When an attempt begins, as long as it takes to say that. */
const NOW = `${FUNCTION_PREFIX}now`;
const [RUN, OPEN, INPUT, BEGIN, GUARD, FAIL, STATUS, REPORT, CLEAN] = FUNCTIONS;

/** The built-in commands that scripts of workers use. An exported function with such a name takes their place in bash. */
export const REQUIRED_BUILTINS: ReadonlySet<string> = new Set(
  ": [ cd echo eval exec exit export kill read rm rmdir set times trap type ulimit unset".split(" "),
);

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
 * `open` makes the files of an attempt those of its subshell. `input` opens the task's own file for standard input after
 * that: as the name of a descriptor, such as `/dev/stdin`, it must not mean one of the worker. Where `exec` ends the
 * subshell because it cannot open the file, the trap runs `fail`. `begin`, `status` and `report` write control lines, and leave no
 * variable behind, which a task would see. `begin` says when it was, as the runner may be busy while it happens. `guard` sees to it that `fail` runs when `exec` fails: as a trap of the
 * subshell or, as bash has forgotten its traps by then, when the program cannot be found before. `clean` removes the directory, also those of workers that were killed, and the one they are in with the last
 * of them: each is named after its process, and of one that has ended but is not reaped yet Linux knows no working
 * directory. The first report is that the worker is there, and whether files may be of any size: output that is a file
 * would end a task that may print as much as it likes into a pipe.
 */
export function workerScript({ number, token, directory, parent, restored }: WorkerScriptOptions): string {
  const [own, common] = [directory, parent].map(shellQuote);
  const restore = Object.entries(restored).map(([name, value]) =>
    value === undefined ? `unset ${name}\n` : `export ${name}=${shellQuote(value)}\n`
  );
  return `${restore.join("")}export ${TASK_VARIABLES.join(" ")}
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
${INPUT}() { trap "${FAIL} $2" EXIT; [ ! -d "$1" ] && [ -r "$1" ] && exec <"$1" || exit 126; trap - EXIT; }
${BEGIN}() { read -r ${NOW} <${UPTIME_FILE}; echo "${token} begin $1 \${${NOW}%% *}"; unset ${NOW}; } 2>/dev/null
if [ -n "\${BASH_VERSION-}" ]; then
${GUARD}() { type -P -- "$1" || eval "$2"; } >/dev/null
else
${GUARD}() { trap "$2" EXIT; }
fi
${FAIL}() { echo ${token} >"$1"; } 2>/dev/null
${STATUS}() { echo "${token} status $2 $1" >&5; }
${REPORT}() { [ ! -f "$3" ] || [ -s "$3" ]; set -- "$1" "$2" $?; times; echo "${token} $2 $1 $3"; }
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
  const { number, cmd, cwd, variables, env, shell, files, inputFile, kind, usesPipes, reportsBegin } = options;
  const assign = `${assignments(variables)}; `;
  const enter = cwd === undefined ? "" : changeDirectory(cwd);
  const input = inputFile === undefined ? "" : openInput(inputFile, files.inputFailure);
  const exports = input + (env === undefined ? "" : exportVariables(env));
  const [stdin, stdout, stderr, execFailure] = [files.stdin, files.stdout, files.stderr, files.execFailure]
    .map(shellQuote) as [string, string, string, string];
  const report = `; ${REPORT} $? ${number} ${stderr}\n`;
  // A failure before the files are opened goes to the channel of the worker, as there is no output yet.
  const begin = reportsBegin ? `${BEGIN} ${number}; ` : "";
  if (usesPipes) {
    const source = `(${exports}${invocation(cmd, shell, execFailure)}\n)`;
    return `${assign}(${enter}${begin}${pipeOutputs(source, options)}); ${REPORT} - ${number} ${stderr}\n`;
  }
  const open = `${enter}${begin}${OPEN} ${stdin} ${stdout} ${stderr} || exit 126; `;
  const isOneLine = !`${assign}${enter}${exports}`.includes("\n");
  if (kind === "simple" && isOneLine && enter === "") {
    return begin === "" && input === ""
      ? `${assign}(${exports}${cmd}) <${stdin} >>${stdout} 2>>${stderr}${report}`
      : `${assign}(${open}${exports}${cmd})${report}`;
  }
  if (kind === "other" || !isOneLine) {
    return `${assign}(${open}${exports}${invocation(cmd, shell, execFailure)}\n)${report}`;
  }
  return `${assign}${RUN} ${shellQuote(`(${open}trap - ${SIGNALS}; ${exports}${cmd}\n)${report}`)}\n`;
}

/**
 * Runs a subshell with pipes for its outputs, which two processes write to the files: a file that a command opens by a name
 * such as /dev/stderr would be emptied. The shell that waits for the subshell says its status and messages on the channel
 * of the worker, as the pipeline has a status of its own.
 */
function pipeOutputs(subshell: string, { number, files }: ScriptOptions): string {
  const [stdin, stdout, stderr] = [files.stdin, files.stdout, files.stderr].map(shellQuote);
  const source = `{ ${subshell} <${stdin} 2>&4 3>&- 4>&- 5>&-; ${STATUS} $? ${number}; }`;
  const toStderr = `{ ${source} 4>&1 >&3 2>&5 | cat >>${stderr} 3>&- 5>&-; }`;
  return `{ ${toStderr} 3>&1 | cat >>${stdout} 5>&-; } 5>&1`;
}

function invocation(cmd: string | readonly string[], shell: string, execFailure: string): string {
  if (typeof cmd === "string" && exceedsArgumentLimit(cmd)) {
    return `unset -f ${FUNCTIONS.join(" ")}; eval ${shellQuote(cmd)}`;
  }
  const words = typeof cmd === "string" ? [shell, "-c", "--", cmd, shell] : cmd;
  const [program, ...args] = words.map(shellQuote);
  return `${GUARD} ${program} ${shellQuote(`${FAIL} ${execFailure}`)}; exec ${[program, ...args].join(" ")}`;
}

/** Returns whether the system takes no argument that is as long as a text. */
export function exceedsArgumentLimit(cmd: string): boolean {
  return cmd.length * 3 > MAX_ARGUMENT_BYTES && new TextEncoder().encode(cmd).length > MAX_ARGUMENT_BYTES;
}

/** A worker's way into a directory: `.`-relative, because of CDPATH, and back to the OLDPWD that a task would see. */
function changeDirectory(cwd: string): string {
  const path = shellQuote(cwd.startsWith("/") ? cwd : `./${cwd}`);
  return 'set -- ${OLDPWD+"$OLDPWD"}; ' + `cd -P -- ${path} || exit 126; ` +
    'unset OLDPWD; [ $# = 0 ] || export OLDPWD="$1"; set --; ';
}

/** The way of a subshell to the task's own file for standard input. */
function openInput(file: string, failure: string): string {
  return `${INPUT} ${shellQuote(literalPath(file))} ${shellQuote(shellQuote(failure))}; `;
}

/** A path that no shell takes for anything else, as bash does with `/dev/tcp/HOST/PORT` in a redirection. */
export function literalPath(path: string): string {
  return path.startsWith("/") ? `/.${path}` : `./${path}`;
}

function exportVariables(env: Readonly<Record<string, string>>): string {
  const text = assignments(env);
  return text === "" ? "" : `export ${text}; `;
}

function assignments(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables).map(([name, value]) => `${name}=${shellQuote(value)}`).join(" ");
}

/** A script whose report has the messages of a plain command on two lines, for a program that is missing. */
export function probeScript(number: number, program: string): string {
  return `${RUN} ${shellQuote(`(${program}\n${program}\n)`)}; ${REPORT} 0 ${number} /\n`;
}
