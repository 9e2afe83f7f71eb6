/**
 * Runs shell tasks in a bounded pool of processes, and gives one structured, lossless result for each.
 *
 * @module
 */

export * from "./jsonl.ts";
export { readTasks, type ReadTasksOptions } from "./read_tasks.ts";
export { type Outcome, parseResult, type TaskResult } from "./result.ts";
export { type Run, run, type RunOptions } from "./runner.ts";
export { parseTask, type Task } from "./task.ts";
export type { Attempt, AttemptEnd, Execution, Executor, ExecutorOptions, Output } from "./executors/mod.ts";
export type { ChildProcess, ExitStatus, SpawnAdapter, SpawnOptions } from "./spawn_adapters/mod.ts";

// `deno run jsr:@x/taskrunner` runs this module.
if (import.meta.main) import("./cli.ts").then(({ runCommandLine }) => runCommandLine());
