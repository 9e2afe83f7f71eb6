import type { OptionNames } from "../text/unknown_option.ts";
import type { Task } from "./task.ts";

/** The fields that are not also options of a run. */
const FIELDS: Record<Exclude<keyof Task, "timeoutMs" | "retries">, true> = {
  cmd: true,
  id: true,
  cwd: true,
  env: true,
  stdin: true,
  stdinFile: true,
  stdinEncoding: true,
  after: true,
  runIf: true,
  priority: true,
  uses: true,
  slots: true,
  meta: true,
};

/** Advice for a field of a task that was passed as an option. */
export const TASK_FIELD_NAMES: OptionNames = {
  known: [],
  advice: new Map([
    ...Object.keys(FIELDS).map((field): [string, string] => [field, "which is a field of each task"]),
    ["command", 'use the field "cmd" of each task'],
    ["input", 'use the field "stdin" of each task'],
    ["inputFile", 'use the field "stdin" of each task, as in { stdin: { file } }'],
    ["extendEnv", 'use the field "env" of each task, which adds to the environment'],
  ]),
};
