/** Helpers for tests of `TaskRunner`. */

import process from "node:process";
import { type Task, TaskRunner, type TaskRunnerOptions } from "../../mod.ts";
import { test } from "./test.ts";

/** Returns a runner to which the tasks have been added. */
export function runnerOf(tasks: readonly Task[], options: number | TaskRunnerOptions = {}): TaskRunner {
  const runner = new TaskRunner(options);
  for (const task of tasks) runner.add(task);
  return runner;
}

/** Defines a test twice: for a pool in another process, and for a pool in this process. */
export function eitherWay(behavior: string, fn: (isolate: boolean) => Promise<void>): void {
  for (const isolate of [true, false]) {
    test(
      `TaskRunner ${behavior} ${isolate ? "in a process of its own" : "in this process"}`,
      () => fn(isolate),
    );
  }
}

/** Calls a function while a variable of the environment has another value. */
export async function withVariable(name: string, value: string, use: () => Promise<void>): Promise<void> {
  const before = process.env[name];
  process.env[name] = value;
  try {
    await use();
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
}
