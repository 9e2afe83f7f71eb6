/**
 * The input record: one line of JSON describes one task.
 *
 * @module
 */

import * as v from "valibot";
import { filePath, pathOfUrl } from "../system/file_path.ts";
import { MAX_TIMER_MS } from "../system/timer_limit.ts";
import { isBase64 } from "../text/base64.ts";
import { isByteText } from "../text/byte_text.ts";
import { excerpt } from "../text/excerpt.ts";
import { InvalidTaskError, type TaskOrigin } from "./invalid_task_error.ts";
import { recordProblem } from "./record_problem.ts";
import { resourceUse } from "./resource_use.ts";

/**
 * A task: a command and how to run it.
 *
 * `Meta` is the type of {@linkcode Task.meta}, which `run` infers and gives to the results.
 *
 * @example A shell command, and a program whose arguments no shell ever sees
 * ```ts
 * import type { Task } from "@x/taskrunner";
 *
 * const tasks: Task[] = [
 *   { id: "names", cmd: "sort names.txt | uniq -c", cwd: "/tmp" },
 *   { id: "touch", cmd: ["touch", "a name with $pecial characters"] },
 * ];
 * ```
 */
export interface Task<Meta = unknown> {
  /**
   * The command. A string is a shell command, as for `sh -c`. An array is a program, looked up in `PATH`, and its
   * arguments, which no shell parses. A byte that is not UTF-8, as in the name of a file, is written as a lone
   * surrogate: U+DC00 plus the byte. For example, `"\udce9"` is the byte E9, as in Python's `surrogateescape`.
   */
  cmd: string | readonly string[];
  /**
   * The id of the result, where a number becomes a string.
   *
   * @default the number of the line or, in a program, of the task, from 1
   */
  id?: string | number | undefined;
  /**
   * The working directory, as a path or a `file:` URL. When it does not exist, the outcome is `not-started`.
   *
   * @default the working directory of the runner
   */
  cwd?: string | URL | undefined;
  /** Variables to add to the environment of the runner. Variables whose value is `undefined` are ignored. */
  env?: Readonly<Record<string, string | undefined>> | undefined;
  /**
   * Standard input of the task: text, bytes, or the file with a path, relative to {@linkcode Task.cwd}, or a `file:` URL.
   * Do not change bytes before the task has its result, because they are not copied. The task itself opens the file, as
   * with `<` in a shell: a FIFO waits for its writer. When the file cannot be opened, the outcome is `not-started`.
   *
   * @default nothing, as from `/dev/null`
   */
  stdin?: string | Uint8Array | { readonly file: string | URL } | undefined;
  /** Path of the file to read standard input from: `stdin: { file }` for lines of JSON. Excludes `stdin`. */
  stdinFile?: string | undefined;
  /** The encoding of the text in `stdin`, for bytes in lines of JSON. */
  stdinEncoding?: "base64" | undefined;
  /** The time limit of an attempt, in milliseconds; a longer attempt ends with the outcome `timeout`. */
  timeoutMs?: number | undefined;
  /**
   * The number of extra attempts after an outcome that the run retries: `failed`, `killed` or `timeout`, unless
   * `retry.on` or `--retry-on` names others.
   *
   * @default the limit of the run, which is 0 by default
   */
  retries?: number | undefined;
  /**
   * The prerequisites: the id of another task, or several. The task starts when all of them have their results, retries
   * included. Needs {@linkcode Task.id}.
   */
  after?: TaskId | readonly TaskId[] | undefined;
  /**
   * The outcomes of the prerequisites with which the task runs; with other outcomes it is `skipped`.
   *
   * - `ok`: all of them are `ok`
   * - `failed`: at least one of them is not `ok`
   * - `done`: any outcomes
   *
   * @default "ok"
   */
  runIf?: "ok" | "failed" | "done" | undefined;
  /**
   * The priority: of the tasks that could start, the one with the highest priority starts first; then, the first in the
   * input. An integer, also below 0.
   *
   * @default 0
   */
  priority?: number | undefined;
  /** The units of each resource of the run that the task occupies while it runs, such as `{ gpu: 1 }`. */
  uses?: Readonly<Record<string, number>> | undefined;
  /**
   * The number of slots that the task occupies while it runs.
   *
   * @default 1
   */
  slots?: number | undefined;
  /**
   * Any JSON value. It is copied to the result and otherwise ignored. Numbers that JSON cannot represent, such as
   * `Infinity`, are rejected.
   */
  meta?: Meta | undefined;
}

/** The id of a task. A number stands for its digits. */
export type TaskId = string | number;

/** A {@linkcode Task} that has been checked: `cwd` is a path. */
export interface CheckedTask<Meta = unknown> extends Task<Meta> {
  /** The path of the working directory. */
  cwd?: string | undefined;
}

/** The longest delay of a timer; a longer timer would fire immediately. */
export const MAX_TIMEOUT_MS = MAX_TIMER_MS;

/** Returns whether text can be passed to a program. Text for the system ends at the first NUL. */
const isSystemText = (text: string) => !text.includes("\0") && isByteText(text);
/** Returns whether text can also be passed to a runtime, as a path or the name of a variable. */
const isRuntimeText = (text: string) => !text.includes("\0") && text.isWellFormed();
const NO_STRING = "must be a string";
const NO_SYSTEM_TEXT = "must not contain a NUL character or a lone surrogate";

function nonEmptyText(isValid: (text: string) => boolean) {
  return v.pipe(v.string(NO_STRING), v.check(isValid, NO_SYSTEM_TEXT), v.minLength(1, "must not be empty"));
}

function problemOfText(value: unknown): string | undefined {
  if (typeof value !== "string") return NO_STRING;
  return isSystemText(value) ? undefined : NO_SYSTEM_TEXT;
}

/**
 * The forms of `cmd`, chosen by the type of the value, which is several times faster than a union. The array is not a
 * `v.array`, because that reports every element, which takes gigabytes for a long line of wrong elements.
 */
const command = {
  shell: nonEmptyText(isSystemText),
  array: v.pipe(
    v.custom<string[]>(
      (value) => Array.isArray(value) && value.length > 0,
      "must be a shell command or an array of a program and its arguments",
    ),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const input = dataset.value;
      const key = input.findIndex(problemOfText);
      if (key !== -1) {
        const value = input[key];
        addIssue({ message: problemOfText(value)!, path: [{ type: "array", origin: "value", input, key, value }] });
      } else if (input[0] === "") addIssue({ message: "must begin with the name of a program" });
    }),
  ),
};

/** Not a `v.record`, which ignores `constructor` and `__proto__`, and accepts an array. */
const environment = v.pipe(
  v.custom<Record<string, string | undefined>>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    "must be an object of strings",
  ),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const input = dataset.value;
    for (const [key, value] of Object.entries(input)) {
      if (value === undefined) continue;
      const message = key === "" || key.includes("=") || !isRuntimeText(key)
        ? "is not the name of a variable: it must not be empty or contain = or NUL"
        : problemOfText(value);
      if (!message) continue;
      addIssue({ message, path: [{ type: "object", origin: "value", input, key, value }] });
      return;
    }
  }),
);

const NO_ID = "must be a string or a number";
const LOST_DIGITS = "must be a string when the number has more than 53 bits, because digits would be lost";

function problemOfId(id: unknown): string | undefined {
  if (typeof id === "string") return undefined;
  if (typeof id !== "number" || Number.isNaN(id)) return NO_ID;
  return Math.abs(id) <= Number.MAX_SAFE_INTEGER ? undefined : LOST_DIGITS;
}

/** Not a `v.union`, because that reports every wrong id. */
const prerequisites = v.pipe(
  v.custom<TaskId | TaskId[]>(
    (value) => Array.isArray(value) || problemOfId(value) === undefined,
    "must be the id of a task or an array of ids",
  ),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || !Array.isArray(dataset.value)) return;
    const input = dataset.value;
    const key = input.findIndex(problemOfId);
    if (key === -1) return;
    const value = input[key];
    addIssue({ message: problemOfId(value)!, path: [{ type: "array", origin: "value", input, key, value }] });
  }),
);

/**
 * Requires that standard input comes from one source and is valid in the encoding that the task names, and that a task
 * with prerequisites has an id. A single check for all rules, because each further one slows every task down.
 */
function relatedFields<Input extends Pick<Task, "id" | "stdin" | "stdinFile" | "stdinEncoding" | "after" | "runIf">>() {
  return v.rawCheck<Input>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const input = dataset.value;
    const { stdinFile, stdinEncoding, after, runIf } = input;
    if (stdinFile === undefined && stdinEncoding === undefined && after === undefined && runIf === undefined) return;
    const { id, stdin } = input;
    const refuse = (key: keyof Input & string, message: string) => {
      addIssue({ message, path: [{ type: "object", origin: "value", input: { ...input }, key, value: input[key] }] });
    };
    if (stdinFile !== undefined && stdin !== undefined) refuse("stdinFile", 'cannot be combined with "stdin"');
    if (stdinEncoding !== undefined) {
      if (typeof stdin !== "string") refuse("stdinEncoding", 'requires a string as "stdin"');
      else if (!isBase64(stdin)) refuse("stdin", "must be base64 with padding");
    }
    if (after !== undefined && id === undefined) refuse("after", 'requires an "id" of the task');
    if (runIf !== undefined && after === undefined) refuse("runIf", 'requires "after"');
    if (runIf === "failed" && Array.isArray(after) && after.length === 0) {
      refuse("runIf", 'requires an id in "after", because no prerequisite can fail');
    }
  });
}

/** The fields that any task can have. */
const ordinaryEntries = {
  cmd: v.pipe(
    v.lazy((value) => typeof value === "string" ? command.shell : command.array),
    v.description(
      "A shell command, or an array of a program and its arguments, which no shell ever parses. A byte that is not UTF-8 " +
        "is a lone surrogate: \\udce9 is the byte E9.",
    ),
  ),
  id: v.optional(v.pipe(
    v.union([v.string(), v.number()], NO_ID),
    v.check((id) => problemOfId(id) === undefined, LOST_DIGITS),
    v.description("The id of the result; default: the line number."),
  )),
  cwd: v.optional(v.pipe(nonEmptyText(isRuntimeText), v.description("Working directory."))),
  env: v.optional(v.pipe(environment, v.description("Variables to add to the environment of the runner."))),
  stdin: v.optional(v.pipe(v.string(NO_STRING), v.description("Standard input of the task; default: nothing."))),
  stdinFile: v.optional(v.pipe(
    nonEmptyText(isSystemText),
    v.description("Path, relative to cwd, of the file to read standard input from; not together with stdin."),
  )),
  stdinEncoding: v.optional(v.pipe(
    v.literal("base64", 'must be "base64"'),
    v.description("Encoding of stdin when that is bytes."),
  )),
  timeoutMs: v.optional(v.pipe(
    v.number("must be a number of milliseconds greater than 0"),
    v.gtValue(0, "must be a number of milliseconds greater than 0"),
    v.maxValue(MAX_TIMEOUT_MS, `must be at most ${MAX_TIMEOUT_MS} milliseconds, 24 days`),
    v.description("The time limit of an attempt, in milliseconds."),
  )),
  retries: v.optional(v.pipe(
    v.number("must be an integer of at least 0"),
    v.safeInteger("must be an integer of at least 0"),
    v.minValue(0, "must be an integer of at least 0"),
    v.description("Extra attempts after an outcome that the run retries, such as failed; default: that of the run."),
  )),
  meta: v.optional(v.pipe(
    v.unknown(),
    v.check(isJson, "must be a value that JSON can represent, without too many levels of nesting"),
    v.description("Any JSON value, copied to the result."),
  )),
};

/** The fields of a task in a workflow. */
const workflowEntries = {
  after: v.optional(v.pipe(
    prerequisites,
    v.description("The id of a task, or several, whose results the task waits for."),
  )),
  runIf: v.optional(v.pipe(
    v.picklist(["ok", "failed", "done"], 'must be "ok", "failed" or "done"'),
    v.description(
      "The outcomes of the tasks in after with which the task runs: all ok, one not ok, or any; default: ok.",
    ),
  )),
  priority: v.optional(v.pipe(
    v.number("must be an integer"),
    v.safeInteger("must be an integer"),
    v.description("Of the tasks that could start, the one with the highest priority starts first; default: 0."),
  )),
  uses: v.optional(v.pipe(
    resourceUse,
    v.description('The units of each resource of the run that the task occupies, such as {"gpu":1}.'),
  )),
  slots: v.optional(v.pipe(
    v.number("must be an integer of at least 1"),
    v.safeInteger("must be an integer of at least 1"),
    v.minValue(1, "must be an integer of at least 1"),
    v.description("The number of slots that the task occupies; default: 1."),
  )),
};

const { meta: metaEntry, ...otherEntries } = ordinaryEntries;
const entries = { ...otherEntries, ...workflowEntries, meta: metaEntry };

/** Returns whether a value has a field of a workflow. */
function isOfWorkflow(value: unknown): boolean {
  return typeof value === "object" && value !== null &&
    ("after" in value || "runIf" in value || "priority" in value || "uses" in value || "slots" in value);
}

/** The definition of a line with a task; `task.schema.json` is generated from this schema. */
export const taskSchema = v.pipe(v.strictObject(entries), relatedFields()) satisfies v.GenericSchema<
  CheckedTask
>;

/** Standard input from a program, which can also be bytes or a file. */
const programInput = v.optional(v.pipe(
  v.custom<NonNullable<Task["stdin"]>>(
    (value) => typeof value === "string" || value instanceof Uint8Array || isFileReference(value),
    "must be a string, a Uint8Array or { file: string | URL }",
  ),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || !isFileReference(dataset.value)) return;
    const { file } = dataset.value;
    const message = problemOfFile(file);
    if (message === undefined) return;
    addIssue({
      message,
      path: [{ type: "object", origin: "value", input: { ...dataset.value }, key: "file", value: file }],
    });
  }),
));

/** Schemas of tasks with the fields of workflows and of other tasks, which are checked faster without these fields. */
interface TaskSchemas {
  workflow: v.GenericSchema<CheckedTask>;
  ordinary: v.GenericSchema<CheckedTask>;
}

const lineSchemas: TaskSchemas = {
  workflow: taskSchema,
  ordinary: v.pipe(v.strictObject(ordinaryEntries), relatedFields()),
};

const programSchemas: TaskSchemas = {
  workflow: v.pipe(v.strictObject({ ...entries, stdin: programInput }), relatedFields()),
  ordinary: v.pipe(v.strictObject({ ...ordinaryEntries, stdin: programInput }), relatedFields()),
};

function isFileReference(value: unknown): value is { file: string | URL } {
  if (value instanceof Uint8Array) return false; // the keys of bytes are their indexes
  if (typeof value !== "object" || value === null || Object.keys(value).join() !== "file") return false;
  const { file } = value as { file: unknown };
  return typeof file === "string" || file instanceof URL;
}

function problemOfFile(file: string | URL): string | undefined {
  if (file === "") return "must not be empty";
  try {
    return problemOfText(typeof file === "string" ? file : pathOfUrl(file));
  } catch {
    return "must be a file: URL of a local file";
  }
}

/** Returns whether JSON can represent `meta`. Otherwise the result could not be written, and would be lost. */
function isJson(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) {
    return !["bigint", "function", "symbol"].includes(typeof value);
  }
  try {
    const json = JSON.stringify(value) as string | undefined;
    // JSON.stringify writes such a number as null, so only then is the slow check needed.
    if (json?.includes("null")) JSON.stringify(value, finite);
    return true;
  } catch {
    return false;
  }
}

function finite(_key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError("JSON cannot represent the number");
  return value;
}

/**
 * Checks that a value is a {@linkcode Task}, and returns it: the same object, or a copy when its `cwd` is a URL.
 *
 * @param value the result of `JSON.parse` for a line, or any other value.
 * @throws {InvalidTaskError} for a value that is not an object, has no `cmd`, has an unknown field (the message names
 * the nearest known field), or has a field of the wrong type or out of range.
 *
 * @example
 * ```ts
 * import { InvalidTaskError, parseTask } from "@x/taskrunner";
 * import { assertThrows } from "@std/assert/throws";
 *
 * const parse = () => parseTask({ cmdd: "echo hi" });
 * assertThrows(parse, InvalidTaskError, 'unknown field "cmdd", did you mean "cmd"?');
 * ```
 */
export function parseTask(value: unknown): CheckedTask {
  return checkTask(value);
}

/** {@linkcode parseTask} for a task whose origin is known. */
export function checkTask(value: unknown, origin: TaskOrigin = {}): CheckedTask {
  if (value === checkedTask && checkedTask) return checkedTask;
  return check(programSchemas, withPath(value, origin), origin);
}

/** The latest checked task that no other code can change. A set of all such tasks would cost more than further checks. */
let checkedTask: CheckedTask | undefined;

/** Exempts a task from further checks, until the next call. Only for a task that no other code can change. */
export function markChecked(task: CheckedTask): CheckedTask {
  return checkedTask = task;
}

/** {@linkcode parseTask} for a line of JSON, which has `stdinFile` and `stdinEncoding` instead of objects as `stdin`. */
export function checkTaskLine(value: unknown, origin: TaskOrigin = {}): CheckedTask {
  return check(lineSchemas, value, origin);
}

function check({ workflow, ordinary }: TaskSchemas, value: unknown, origin: TaskOrigin): CheckedTask {
  if (isSimpleTask(value)) return value;
  const { issues } = v.safeParse(isOfWorkflow(value) ? workflow : ordinary, value);
  if (!issues) return value as CheckedTask;
  const { problem, field } = recordProblem(value, issues, Object.keys(entries));
  throw new InvalidTaskError(problem, { ...origin, field });
}

/** Returns whether a value is a valid task that only has `cmd` and `id`, in a fraction of the time of a schema. */
function isSimpleTask(value: unknown): value is CheckedTask {
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const key of Object.getOwnPropertyNames(value)) if (key !== "cmd" && key !== "id") return false;
  const { cmd, id } = value as Partial<Record<keyof Task, unknown>>;
  if (id !== undefined && problemOfId(id) !== undefined) return false;
  if (typeof cmd === "string") return cmd !== "" && isSystemText(cmd);
  return Array.isArray(cmd) && cmd.length > 0 && cmd[0] !== "" && cmd.findIndex(problemOfText) === -1;
}

/** Replaces a URL by its path before the schema sees it, because no line of JSON holds a URL. */
function withPath(value: unknown, origin: TaskOrigin): unknown {
  if (typeof value !== "object" || value === null || !("cwd" in value) || !(value.cwd instanceof URL)) return value;
  try {
    return { ...value, cwd: filePath(value.cwd) };
  } catch (cause) {
    const problem = `"cwd" ${(cause as Error).message}, got ${excerpt(value.cwd.href)}`;
    throw new InvalidTaskError(problem, { ...origin, field: "cwd", cause });
  }
}
