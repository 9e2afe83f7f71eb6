/** The messages between a program and the process that runs its tasks: a line of JSON each. @module */

import * as v from "valibot";
import { excerpt } from "../text/excerpt.ts";
import type { Progress } from "../pool/options.ts";
import type { RunOptions } from "../runner.ts";
import { type Outcome, OUTCOMES, type TaskResult } from "../records/result.ts";
import { type ErrorRecord, errorRecordSchema } from "./error_record.ts";

/** Options that JSON can hold. */
export type PlainOptions =
  & Omit<
    RunOptions,
    | "executor"
    | "spawnAdapter"
    | "signal"
    | "onProgress"
    | "onAttemptStart"
    | "onOutput"
    | "spillDir"
    | "estimateMs"
    | "recorded"
  >
  & {
    executor?: "shell" | "process" | ExecutorOrigin | undefined;
    spillDir?: string | undefined;
  };

/** The module and the options from which the process creates its executor. */
export interface ExecutorOrigin {
  /** The URL of the module. */
  module: string;
  options: object | undefined;
}

/** The second line to the process. The first line is the directory to remove at the end. */
export interface Setup {
  /** The first element of each command, a secret, so that a task cannot send commands. */
  token: string;
  /** The key that signs the results, a secret, so that a task cannot forge results. */
  key: string;
  options: PlainOptions;
  /** The names of options that are Infinity, which JSON cannot hold. */
  infinite: string[];
  wantsProgress: boolean;
  /** The number of results that may be unacknowledged, even when the caller is slow. */
  resultsAhead: number;
}

/** A command to the process, after the token. The end of its input means that the caller has ended. */
export type Command =
  /** The number of results that the caller has taken. */
  | ["taken", number]
  /** The recorded outcome of an id, before the tasks that name the id. */
  | ["recorded", string, Outcome]
  /** The size of the file of tasks that may be read, in bytes. */
  | ["tasks", number]
  /** No more tasks follow. */
  | ["complete"]
  | ["concurrency", number]
  | ["drain"]
  | ["stop"]
  | ["kill"]
  | ["return"];

/** A message from the process. */
export type Message =
  | ["result", TaskResult]
  | ["halted", TaskResult]
  | ["progress", Progress]
  | ["notice", string]
  /** The number of tasks that get no result unless further tasks follow. */
  | ["unresolved", number]
  | ["end", End];

/** The end of the results. */
export interface End {
  error?: ErrorRecord | undefined;
}

const commandSchema: v.GenericSchema<Command> = v.union([
  v.strictTuple([
    v.picklist(["taken", "tasks", "concurrency"]),
    v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  ]),
  v.strictTuple([v.literal("recorded"), v.string(), v.picklist(OUTCOMES)]),
  v.strictTuple([v.picklist(["complete", "drain", "stop", "kill", "return"])]),
]);

/**
 * Returns the command of a line that begins with the token; `undefined` for any other line, which a task has written.
 *
 * @throws `TypeError` when the token is right and the command is not.
 */
export function commandOf(line: unknown, token: string): Command | undefined {
  if (!Array.isArray(line) || line[0] !== token) return undefined;
  const command = line.slice(1);
  if (v.is(commandSchema, command)) return command;
  throw new TypeError(`Cannot read the command: it must be a known name and its number, got ${excerpt(command)}`);
}

const endSchema = v.strictObject({ error: v.optional(errorRecordSchema) });
const NAMES: readonly Message[0][] = ["result", "halted", "progress", "notice", "unresolved", "end"];

/**
 * Checks the value of a line from the process: its name, and the end of the run with its error. A result is trusted,
 * because its line is signed and its fields come from the pool.
 *
 * @throws `TypeError` for any other value.
 */
export function checkMessage(value: unknown): Message {
  if (!Array.isArray(value) || value.length !== 2 || !NAMES.includes(value[0])) {
    throw new TypeError(
      `Cannot read the message: it must be an array of a name and its content, got ${excerpt(value)}`,
    );
  }
  const [name, content] = value;
  if (name === "end" && !v.is(endSchema, content)) {
    throw new TypeError(`Cannot read the message: the end must have a known error or none, got ${excerpt(content)}`);
  }
  return value as Message;
}

/** The name of the file with the tasks in the directory of a run. */
export const TASKS_FILE = "tasks.jsonl";
