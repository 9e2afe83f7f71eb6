/**
 * Runs shell tasks in a bounded pool of processes, and yields one structured, lossless result for each task. The same
 * code runs on Deno, Bun and Node.
 *
 * The command reads tasks as JSON Lines, and writes a line of JSON for each task:
 *
 * ```sh
 * echo '{"cmd":"echo hi"}' | deno run -A jsr:@x/taskrunner
 * ```
 *
 * In a program, {@linkcode run} takes tasks from any iterable or stream, and returns an iterator over the results:
 *
 * ```ts
 * import { run } from "@x/taskrunner";
 *
 * const tasks = [
 *   { id: "shell", cmd: "sort /etc/passwd | head -n 3" },
 *   { id: "array", cmd: ["printf", "%s\n", "no shell sees $this"] },
 *   { id: "options", cmd: "cat; exit 3", stdin: "text", cwd: "/", env: { KEY: "value" }, timeoutMs: 5_000, retries: 2 },
 * ];
 * for await (const { id, outcome, status, stdout, stderr } of run(tasks, { concurrency: 2 })) {
 *   console.log(id, outcome, status, { stdout, stderr });
 * }
 * ```
 *
 * {@linkcode createPool} runs tasks that a program adds one by one, and returns a promise for each.
 *
 * - A {@linkcode Task} is a shell command, or a program with its arguments, and how to run it.
 * - A {@linkcode TaskResult} has the exit status, the outcome, the times and the captured output. Bytes that are not UTF-8
 *   are encoded as base64, and output that is too large for the result goes to a file.
 * - {@linkcode readTasks} reads tasks from JSON Lines; {@linkcode readJsonLines} and {@linkcode JsonLinesWriter} read
 *   and write any JSON Lines.
 * - {@linkcode sh} builds a shell command from a template literal, and quotes each value.
 * - {@linkcode ResultsFile} writes results to a file, so that an interrupted run can be resumed.
 * - {@linkcode TaskRunner} runs the pool in a separate process, for Node programs that use a lot of memory.
 * - A failed task is not an error. {@linkcode InvalidTaskError}, {@linkcode ResourceShortageError} and
 *   {@linkcode ExecutorError} are errors that end a run.
 * - Memory depends on the concurrency, not on the number of tasks: a task is read only when a slot is free.
 * - Leaving or stopping a run ends the process groups of its running tasks, including grandchildren. The groups also
 *   end when the program ends, even by `process.exit`, an uncaught error or SIGKILL; see {@linkcode
 *   RunOptions.cleanup}.
 * - Each slot has a shell that runs one task after another, so most tasks start no new shell. The results are the same as
 *   with `sh -c`; `docs/reference/runtimes.md` lists the differences that a task can see.
 *
 * Requires a POSIX `sh`. Deno requires `--allow-run=sh` or `--allow-run`, and permission to read and write the directory for
 * temporary files (without it, each task gets its own process). Output that is too large for a result also requires
 * permission for `spillDir`.
 *
 * @module
 */

import process from "node:process";
import { isEntryPoint } from "./system/entry_point.ts";

export * from "./jsonl/mod.ts";
export type {
  Attempt,
  AttemptCallbacks,
  AttemptEnding,
  AttemptExited,
  AttemptLost,
  AttemptNoResources,
  AttemptPlace,
  AttemptResult,
  AttemptSignaled,
  AttemptSpawnFailed,
  AttemptStop,
  AttemptWithdrawn,
  Execution,
  Executor,
  ExecutorFactory,
  ExecutorSettings,
  Output,
} from "./pool/executor.ts";
export { StopCause } from "./pool/stop_cause.ts";
export type { AttemptHooks, AttemptStart } from "./pool/attempt_hooks.ts";
export type { LocalExecutorOptions } from "./executors/mod.ts";
export { readTasks, type ReadTasksOptions } from "./records/read_tasks.ts";
export { ResultsFile, type ResultsFileOptions } from "./results/results_file.ts";
export { ResultsFileError, type ResultsFileErrorKind } from "./results/results_file_error.ts";
export type { TaskState } from "./results/result_index.ts";
export { type EarlierAttempt, type Outcome, parseResult, type TaskResult } from "./records/result.ts";
export { ExecutorError, ResourceShortageError } from "./pool/errors.ts";
export type { Halt, HaltAtCount, HaltAtPercent, HaltCondition } from "./pool/halt.ts";
export type { LiveOutputOptions } from "./pool/live_output.ts";
export type { TaskOutput } from "./pool/task_output.ts";
export { TaskAbortError, type TaskOptions, type TaskPool, type TaskPoolOptions } from "./pool/task_pool.ts";
export type { PoolOptions, Progress } from "./pool/options.ts";
export type { Run } from "./pool/run.ts";
export type { RetryOptions, RetryOutcome } from "./pool/retry.ts";
export type { MaxWaiting, ResourceOptions, WorkflowOptions } from "./pool/workflow_options.ts";
export type { RecordedOutcomes } from "./pool/workflow/source_facts.ts";
export { createPool, type CreatePoolOptions, type ExecutorOptions, run, type RunOptions } from "./runner.ts";
export type { ThrottleReason } from "./pool/start_limiter.ts";
export type {
  ChildProcess,
  ExitStatus,
  InputWriter,
  OutputReader,
  SpawnAdapter,
  SpawnOptions,
} from "./spawn_adapters/mod.ts";
export { type InvalidTaskDetails, InvalidTaskError, type TaskOrigin } from "./records/invalid_task_error.ts";
export { type CheckedTask, parseTask, type Task, type TaskId } from "./records/task.ts";
export { sh, type ShellValue, type ShellWord } from "./text/shell_template.ts";
export { type RunSummary, TaskRunner, type TaskRunnerOptions } from "./isolate/task_runner.ts";

// `deno run jsr:@x/taskrunner` runs this module. The specifier is computed, because Deno downloads the modules of every
// other import, and programs that use the library do not need the command.
if (isEntryPoint(import.meta, "mod")) {
  const command = import.meta.url.replace(/mod(?=\.[cm]?[jt]s$)/, "cli");
  import(command).then(({ runCommandLine }) => runCommandLine()).catch((error) => {
    console.error(error);
    process.exit(255);
  });
}
