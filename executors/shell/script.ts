/** Scripts for shell workers. Each script runs one attempt and ends with its report. @module */

import process from "node:process";
import { encodeByteText } from "../../text/byte_text.ts";
import { shellQuote } from "../../text/shell_quote.ts";
import { type CommandKind, FUNCTION_PREFIX } from "./plain_command.ts";
import { UPTIME_FILE } from "../../system/system_uptime.ts";
import { TASK_VARIABLES } from "../task_variables.ts";

/** The paths of the files of one attempt. */
export interface AttemptFiles {
  /** A file in the directory of the worker, or `/dev/null`. */
  stdin: string;
  stdout: string;
  stderr: string;
  /** Created by the worker when `exec` fails, so that nothing runs. */
  execFailure: string;
  /** Created by the worker when it cannot open the input file of the task, so that nothing runs. */
  inputFailure: string;
}

/** Options of {@linkcode attemptScript}. */
export interface ScriptOptions {
  /** The number of the script, which the report repeats. */
  number: number;
  cmd: string | readonly string[];
  cwd: string | undefined;
  /** The values of {@linkcode TASK_VARIABLES}, which the worker exports. */
  variables: Readonly<Record<string, string>>;
  /** Additional variables. Shells must be able to export all of them. */
  env: Readonly<Record<string, string>> | undefined;
  shell: string;
  files: AttemptFiles;
  /** The input file of the task, relative to `cwd`. */
  inputFile: string | undefined;
  /** `builtin` for a simple command that needs no process: without `cwd`, `env`, `inputFile` and `reportsBegin`. */
  kind: CommandKind | "builtin";
  /** True when the outputs must be pipes, as for a command that opens them by name. */
  usesPipes: boolean;
  /** True when the worker must report the start of the command, from which a timeout counts. */
  reportsBegin: boolean;
  /** True when another attempt may still be running, so that the runner may be dead when the worker begins this one. */
  isQueued: boolean;
}

/** Options of {@linkcode workerScript}. */
export interface WorkerScriptOptions {
  /** The number of the first report. */
  number: number;
  /** The secret at the beginning of each control line. */
  token: string;
  /** The directory of the worker. */
  directory: string;
  /** The directory that holds the directories of all workers. */
  parent: string;
  /** Variables that the script sets or, for `undefined`, unsets, because starting a shell changes them. */
  restored: Readonly<Record<string, string | undefined>>;
  /** True for a child of the launcher, whose end does not mean that the runner is dead. */
  isRouted: boolean;
}

/** The longest argument that Linux allows, without its NUL. */
const MAX_ARGUMENT_BYTES = 128 * 1024 - 1;

/** Signals that a worker survives: a task may send them to its process group, which includes the worker. */
const SIGNALS = "HUP INT QUIT PIPE ALRM TERM USR1 USR2";

const FUNCTIONS = ["run", "open", "input", "begin", "guard", "fail", "status", "report", "clean"].map((name) =>
  FUNCTION_PREFIX + name
);
/** A variable that exists only while the start of an attempt is reported. */
const NOW = `${FUNCTION_PREFIX}now`;
const [RUN, OPEN, INPUT, BEGIN, GUARD, FAIL, STATUS, REPORT, CLEAN] = FUNCTIONS;

/** The commands that workers run themselves. In bash, an exported function with such a name shadows them. */
export const REQUIRED_BUILTINS: ReadonlySet<string> = new Set(
  ": [ cd echo eval exec exit export false kill read rm rmdir set times trap true type ulimit unset".split(" "),
);

/** Removes directories at exit only if the runner, which reads them, is dead. */
const CLEAN_WITHOUT_RUNNER = `trap 'kill -0 ${process.pid} 2>/dev/null || ${CLEAN}' EXIT`;

/** The last script of a worker. */
export const RETIREMENT_SCRIPT = `${CLEAN_WITHOUT_RUNNER}\n`;

/**
 * Returns the setup script of a worker. The script exports the variables of attempts once; later scripts only assign them.
 * It catches the signals that a task may send to its process group. Ignored signals would stay ignored in tasks, while
 * subshells reset caught ones.
 *
 * The script defines these functions, which leave no variable that a task could see:
 *
 * - `clean` runs at exit. It removes the directories of this worker and of killed workers, and their parent when that is
 *   empty. Directories are named after pids. A zombie, which `kill -0` still finds, has no `/proc/PID/cwd`.
 * - `run` runs a plain command and counts its lines from 1, as a fresh shell does in its messages. A trap resets the count;
 *   `eval` does so, too, but adds its name to messages. The inner trap makes a second USR1 harmless. Other signals are
 *   ignored meanwhile, because their traps would replace the status of the attempt.
 * - `open` redirects the subshell to the files of the attempt.
 * - `input` then opens the input file of the task, so that a name such as `/dev/stdin` does not refer to a descriptor of
 *   the worker. Where a failed `exec` exits from the subshell, the trap runs `fail`.
 * - `begin` reports the start of the command with the uptime, because a busy runner may read the report late.
 * - `guard` arranges that `fail` runs when `exec` fails: by a trap or, in bash, which drops its traps before `exec`, by
 *   looking up the program beforehand.
 * - `fail` writes the token to a file; `status` and `report` write control lines.
 *
 * The last message before the first report is the limit of the size of files. With a limit, a task could fail because its
 * output goes to a file instead of a pipe.
 */
export function workerScript(options: WorkerScriptOptions): string {
  const { number, token, directory, parent, restored, isRouted } = options;
  const [own, common] = [directory, parent].map(shellQuote);
  const restore = Object.entries(restored).map(([name, value]) =>
    value === undefined ? `unset ${name}\n` : `export ${name}=${shellQuote(value)}\n`
  );
  return `exec 2>&1
${restore.join("")}export ${TASK_VARIABLES.join(" ")}
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
${isRouted ? CLEAN_WITHOUT_RUNNER : `trap ${CLEAN} EXIT`}
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
ulimit -f
${REPORT} $? ${number} /
`;
}

/** Ends the worker when the runner is dead. */
const IF_RUNNER_LIVES = `kill -0 ${process.pid} || exit; `;

/** Returns the script that runs one attempt and reports its status. For a simple command, it is one line. */
export function attemptScript(options: ScriptOptions): string {
  const { number, cmd, cwd, variables, env, shell, files, inputFile, kind, usesPipes, reportsBegin } = options;
  const assign = `${options.isQueued ? IF_RUNNER_LIVES : ""}${assignments(variables)}; `;
  const enter = cwd === undefined ? "" : changeDirectory(cwd);
  const input = inputFile === undefined ? "" : openInput(inputFile, files.inputFailure);
  const exports = input + (env === undefined ? "" : exportVariables(env));
  const stdin = shellQuote(files.stdin);
  const stdout = shellQuote(files.stdout);
  const stderr = shellQuote(files.stderr);
  const report = `; ${REPORT} $? ${number} ${stderr}\n`;
  // Errors before `open` go to the channel of the worker, because the output files are not open yet.
  const begin = reportsBegin ? `${BEGIN} ${number}; ` : "";
  if (usesPipes) {
    const source = `(${exports}${invocation(cmd, shell, files)}\n)`;
    return `${assign}(${enter}${begin}${pipeOutputs(source, options)}); ${REPORT} - ${number} ${stderr}\n`;
  }
  const open = `${enter}${begin}${OPEN} ${stdin} ${stdout} ${stderr} || exit 126; `;
  const isOneLine = !`${assign}${enter}${exports}`.includes("\n");
  // Errors, such as that of a full disk, go to the channel of the worker.
  if (kind === "builtin") return `${assign}{ ${cmd}; } >>${stdout}; ${REPORT} $? ${number} /\n`;
  if (kind === "simple" && isOneLine && enter === "") {
    return begin === "" && input === ""
      ? `${assign}(${exports}${cmd}) <${stdin} >>${stdout} 2>>${stderr}${report}`
      : `${assign}(${open}${exports}${cmd})${report}`;
  }
  if (kind === "other" || !isOneLine) {
    return `${assign}(${open}${exports}${invocation(cmd, shell, files)}\n)${report}`;
  }
  return `${assign}${RUN} ${shellQuote(`(${open}trap - ${SIGNALS}; ${exports}${cmd}\n)${report}`)}\n`;
}

/**
 * Runs a subshell with pipes as outputs, which two `cat` processes write to the output files. With files, a command that
 * opens `/dev/stderr` would truncate its own output. The shell that waits for the subshell writes the status to the channel,
 * because the pipeline has another status.
 */
function pipeOutputs(subshell: string, { number, files }: ScriptOptions): string {
  const [stdin, stdout, stderr] = [files.stdin, files.stdout, files.stderr].map(shellQuote);
  const source = `{ ${subshell} <${stdin} 2>&4 3>&- 4>&- 5>&-; ${STATUS} $? ${number}; }`;
  const toStderr = `{ ${source} 4>&1 >&3 2>&5 | cat >>${stderr} 3>&- 5>&-; }`;
  return `{ ${toStderr} 3>&1 | cat >>${stdout} 5>&-; } 5>&1`;
}

function invocation(cmd: string | readonly string[], shell: string, { execFailure }: AttemptFiles): string {
  if (typeof cmd === "string" && exceedsArgumentLimit(cmd)) {
    return `unset -f ${FUNCTIONS.join(" ")}; eval ${shellQuote(cmd)}`;
  }
  const words = typeof cmd === "string" ? [shell, "-c", "--", cmd, shell] : cmd;
  const [program, ...args] = words.map(shellQuote);
  return `${GUARD} ${program} ${shellQuote(`${FAIL} ${shellQuote(execFailure)}`)}; exec ${
    [program, ...args].join(" ")
  }`;
}

/** Returns whether a text is too long for an argument of a program. */
export function exceedsArgumentLimit(text: string): boolean {
  return text.length * 3 > MAX_ARGUMENT_BYTES && encodeByteText(text).length > MAX_ARGUMENT_BYTES;
}

/** Changes the directory. The prefix `./` disables CDPATH, and OLDPWD is restored for the task. */
function changeDirectory(cwd: string): string {
  const path = shellQuote(cwd.startsWith("/") ? cwd : `./${cwd}`);
  return 'set -- ${OLDPWD+"$OLDPWD"}; ' + `cd -P -- ${path} || exit 126; ` +
    'unset OLDPWD; [ $# = 0 ] || export OLDPWD="$1"; set --; ';
}

/** Opens the input file of the task as standard input of the subshell. */
function openInput(file: string, failure: string): string {
  return `${INPUT} ${shellQuote(literalPath(file))} ${shellQuote(shellQuote(failure))}; `;
}

/** Returns a path without special meaning in a redirection, such as `/dev/tcp/HOST/PORT` has in bash. */
export function literalPath(path: string): string {
  return path.startsWith("/") ? `/.${path}` : `./${path}`;
}

function exportVariables(env: Readonly<Record<string, string>>): string {
  const text = assignments(env);
  return text === "" ? "" : `export ${text}; `;
}

function assignments(variables: Readonly<Record<string, string>>): string {
  let text = "";
  for (const name in variables) text += `${text && " "}${name}=${shellQuote(variables[name]!)}`;
  return text;
}

/**
 * Returns a script that runs a missing program on two lines of a plain command, and a shell that a real-time signal ends.
 * Its report has the messages.
 */
export function probeScript(number: number, program: string, shell: string): string {
  const signaled = `BASH_ENV= ${shellQuote(shell)} -c 'kill -34 $$'`; // /proc may show another process as `self`
  return `${RUN} ${shellQuote(`(${program}\n${program}\n)`)}; ${signaled}; ${REPORT} 0 ${number} /\n`;
}
