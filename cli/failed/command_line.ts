import { classifyCommand } from "../../executors/shell/plain_command.ts";
import type { CheckedTask } from "../../records/task.ts";
import { inputOf } from "../../records/task_input.ts";
import {
  oneLineCommand,
  printfEscapes,
  quoteAlways,
  quoteArgument,
  shellCommand,
  shellQuote,
} from "../../text/shell_quote.ts";

/** Returns a line for a POSIX shell that runs a task as taskrunner does: with its directory, variables and input. */
export function commandLineOf(task: CheckedTask): string {
  const { cwd } = task;
  const command = withInput(programOf(task), task);
  const all = cwd === undefined ? command : `(cd -- ${shellQuote(/^[/.]/.test(cwd) ? cwd : `./${cwd}`)} && ${command})`;
  return oneLineCommand(all);
}

function programOf({ cmd, env = {} }: CheckedTask): string {
  const variables = Object.entries(env).filter(([, value]) => value !== undefined)
    .map(([name, value]) => quoteArgument(`${name}=${value}`));
  const isSimple = typeof cmd === "string" && variables.length === 0 && classifyCommand(cmd) === "simple";
  if (isSimple) return cmd;
  const words = typeof cmd === "string" ? ["sh", "-c", cmd] : cmd;
  // Reserved words and special built-in commands are programs for env.
  const needsEnv = variables.length > 0 || classifyCommand(shellCommand(words.slice(0, 1))) !== "simple";
  return [...needsEnv ? ["env", "--", ...variables] : [], shellCommand(words)].join(" ");
}

/** Adds the standard input. Without one, the command must not read the rest of the script. */
function withInput(command: string, task: CheckedTask): string {
  const { data, file } = { data: undefined, file: undefined, ...inputOf(task) };
  if (file !== undefined) return `${command} <${shellQuote(file)}`;
  if (data === undefined) return `${command} </dev/null`;
  return typeof data === "string" && !data.includes("\0")
    ? `printf %s ${shellQuote(data)} | ${command}`
    : `printf %b ${quoteAlways(printfEscapes(data))} | ${command}`;
}
