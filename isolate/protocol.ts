/** What a program and the process that runs its tasks tell each other, one line of JSON each. @module */

import type { Progress } from "../pool/options.ts";
import type { RunOptions } from "../runner.ts";
import type { TaskResult } from "../records/result.ts";

/** Options that a line can hold. */
export type PlainOptions =
  & Omit<RunOptions, "executor" | "spawnAdapter" | "signal" | "onProgress" | "onAttemptStart">
  & {
    executor?: "shell" | "process" | ExecutorOrigin | undefined;
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
  error?: { name: string; message: string; code?: string | undefined } | undefined;
}

/** The file in the directory of a run that has the tasks. */
export const TASKS_FILE = "tasks.jsonl";
