import { isFailure, type TaskResult } from "../../records/result.ts";
import { excerpt, printable } from "../../text/excerpt.ts";
import { formatDuration } from "../../text/format.ts";
import { lastLines } from "./last_lines.ts";

/** Limit of the length of the last line of standard error in a notice. */
const MAX_LINE_CHARACTERS = 200;

/** Returns a line about a failed task, with the last line of its standard error; `undefined` for any other task. */
export function failureNotice(result: TaskResult): string | Promise<string> | undefined {
  if (!isFailure(result.outcome)) return undefined;
  const begin = `taskrunner: ${excerpt(result.id)} ${failureOf(result)}`;
  const lines = lastLines(result, 1);
  return lines instanceof Promise ? lines.then((lines) => noticeOf(begin, lines)) : noticeOf(begin, lines);
}

function noticeOf(begin: string, [line]: readonly string[]): string {
  if (line === undefined) return begin;
  const text = line.trim();
  const end = text.length > MAX_LINE_CHARACTERS ? "…" : "";
  return `${begin}: ${printable(text.slice(0, MAX_LINE_CHARACTERS))}${end}`;
}

/** Describes the end of a task that failed, such as `failed with status 3 after 2 attempts`. */
export function failureOf({ outcome, status, signal, error, durationMs, attempts }: TaskResult): string {
  const after = attempts > 1 ? ` after ${attempts} attempts` : "";
  const reason = error === undefined ? "" : `: ${printable(error)}`;
  switch (outcome) {
    case "timeout":
      return `timed out after ${formatDuration(durationMs)}${attempts > 1 ? `, in attempt ${attempts}` : ""}`;
    case "killed":
      return signal === undefined ? `was killed${after}${reason}` : `was killed by ${printable(signal)}${after}`;
    case "not-started":
      return `could not start${after}${reason.replace(": Cannot start the task: ", ": ")}`;
    case "output-limit":
      return `printed more than its limit${after}`;
    default:
      return status === 0 ? `failed${after}${reason}` : `failed with status ${status}${after}${reason}`;
  }
}
