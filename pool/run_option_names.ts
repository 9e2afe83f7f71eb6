import type { OptionNames } from "../text/unknown_option.ts";
import type { RunOptions } from "./run_options.ts";
import type { Task } from "../records/task.ts";

/** Complete, or it does not type check. */
const RUN_OPTIONS: Record<keyof RunOptions, true> = {
  concurrency: true,
  keepOrder: true,
  signal: true,
  timeoutMs: true,
  killAfterMs: true,
  retries: true,
  retryDelayMs: true,
  maxRetryDelayMs: true,
  startDelayMs: true,
  maxLoad: true,
  minFreeMemoryBytes: true,
  halt: true,
  total: true,
  onProgress: true,
  executor: true,
  nats: true,
  shell: true,
  maxInlineBytes: true,
  spillDir: true,
  maxOutputBytes: true,
  spawnAdapter: true,
  cleanup: true,
};

/** Fields that a task has and a run has not. */
const TASK_FIELDS: Record<Exclude<keyof Task, keyof RunOptions>, true> = {
  cmd: true,
  id: true,
  cwd: true,
  env: true,
  stdin: true,
  meta: true,
};

/** What other tools call it: this command, GNU parallel, xargs, execa, concurrently, p-limit, p-queue and p-retry. */
const OTHER_NAMES: Partial<Record<keyof RunOptions, string>> = {
  concurrency: "concurrent jobs limit maxConcurrency maxJobs maxParallel maxProcesses maxProcs maxThreads maxWorkers " +
    "parallel parallelism poolSize processes procs threads workers",
  keepOrder: "group keepInputOrder order ordered preserveOrder sorted",
  signal: "abort abortController abortSignal cancelSignal controller",
  killAfterMs: "forceKillAfterDelay gracePeriod killAfter killAfterTimeout killDelay killTimeout",
  retries: "attempts maxAttempts maxRetries restartTries retry retryLimit tries",
  timeoutMs: "taskTimeout timeLimit timeout timeoutSeconds",
  retryDelayMs: "backoff minTimeout restartDelay retryBackoff retryDelay retryInterval",
  maxRetryDelayMs: "maxBackoff maxDelay maxRetryDelay maxTimeout",
  startDelayMs: "delay interval sleep startDelay",
  maxLoad: "load loadAverage loadavg maxLoadAverage",
  minFreeMemoryBytes: "freeMemory memFree memfree minFreeMemory minMemory",
  halt: "bail failFast haltOnError killOthers killOthersOn killOthersOnFail stopOnError",
  total: "count taskCount",
  onProgress: "progress progressBar onUpdate",
  maxInlineBytes: "inline inlineBytes maxInline",
  spillDir: "outputDir spill spillDirectory tmpdir tempDir",
  maxOutputBytes: "maxBuffer maxOutput outputLimit",
  shell: "shellPath sh",
  spawnAdapter: "adapter spawn spawner",
  cleanup: "cleanUp killOnExit",
};

const UNITS: Partial<Record<keyof RunOptions, string>> = {
  killAfterMs: ", in milliseconds",
  timeoutMs: ", in milliseconds",
  retryDelayMs: ", in milliseconds",
  maxRetryDelayMs: ", in milliseconds",
  startDelayMs: ", in milliseconds",
  minFreeMemoryBytes: ", in bytes",
  halt: ', such as "now,fail=1"',
  spillDir: ", a directory for large output",
};

const ADVICE: [name: string, advice: string][] = [
  ...Object.entries(OTHER_NAMES).flatMap(([option, names]) =>
    names.split(" ").map((name): [string, string] => {
      return [name, `use ${JSON.stringify(option)}${UNITS[option as keyof RunOptions] ?? ""}`];
    })
  ),
  ...Object.keys(TASK_FIELDS).map((field): [string, string] => [field, "which is a field of each task"]),
  ["command", 'use the field "cmd" of each task'],
  ["input", 'use the field "stdin" of each task'],
  ["extendEnv", 'use the field "env" of each task, which adds to the environment'],
];

/** The options of `run`. */
export const RUN_OPTION_NAMES: OptionNames = {
  known: Object.keys(RUN_OPTIONS),
  advice: new Map([...ADVICE, ["isolate", "which is an option of TaskRunner"]]),
};

/** The options of `TaskRunner`. */
export const TASK_RUNNER_OPTION_NAMES: OptionNames = {
  known: [...Object.keys(RUN_OPTIONS).filter((name) => name !== "total"), "isolate"],
  advice: new Map([...ADVICE, ["total", "because a TaskRunner counts its tasks itself"]]),
};
