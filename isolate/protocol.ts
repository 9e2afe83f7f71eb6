/** What a program and the process that runs its tasks tell each other, one line of JSON each. @module */

import * as v from "valibot";
import { excerpt } from "../text/excerpt.ts";
import type { Progress } from "../pool/options.ts";
import type { RunOptions } from "../runner.ts";
import type { TaskResult } from "../records/result.ts";
import { type ErrorRecord, errorRecordSchema } from "./error_record.ts";

/** Options that a line can hold. */
export type PlainOptions =
  & Omit<RunOptions, "executor" | "spawnAdapter" | "signal" | "onProgress" | "onAttemptStart" | "spillDir">
  & {
    executor?: "shell" | "process" | ExecutorOrigin | undefined;
    spillDir?: string | undefined;
  };

/** The module and the options from which the process makes its executor. */
export interface ExecutorOrigin {
  /** The URL of the module. */
  module: string;
  options: object | undefined;
}

/** The second line to the process. The first one is the directory that it removes. */
export interface Setup {
  /** What each further line begins with. A task that finds out where to write does not know it. */
  token: string;
  /** What the process seals the results with. A task that reads them does not know it. */
  key: string;
  options: PlainOptions;
  /** The options that are Infinity, which JSON has no word for. */
  infinite: string[];
  wantsProgress: boolean;
  /** How many results may be given that have not been taken. */
  resultsAhead: number;
}

/** What every further line to it says, after the token. When there is no more to come, its caller has gone. */
export type Command = ["taken", number] | ["concurrency", number] | ["drain"] | ["stop"] | ["kill"] | ["return"];

/** What a line from it says. */
export type Message =
  | ["result", TaskResult]
  | ["halted", TaskResult]
  | ["progress", Progress]
  | ["notice", string]
  | ["end", End];

/** Why there are no more results. */
export interface End {
  error?: ErrorRecord | undefined;
}

const endSchema = v.strictObject({ error: v.optional(errorRecordSchema) });
const NAMES: readonly Message[0][] = ["result", "halted", "progress", "notice", "end"];

/**
 * Checks the value of a line from the process: its name, and the end of the run with its error. A result is trusted,
 * because its line is signed and the pool has made it.
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
    throw new TypeError(`Cannot read the message: the end must have no error or a known one, got ${excerpt(content)}`);
  }
  return value as Message;
}

/** The file in the directory of a run that has the tasks. */
export const TASKS_FILE = "tasks.jsonl";
