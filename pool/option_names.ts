import { joinOptionNames, type OptionHint, type OptionNames, optionNames } from "../text/unknown_option.ts";
import type { PoolOptions } from "./options.ts";
import type { RetryOptions } from "./retry.ts";

/** Options with their names in this command, GNU parallel, xargs, execa, concurrently, p-limit, p-queue and p-retry. */
const HINTS: Record<keyof PoolOptions, OptionHint> = {
  concurrency: {
    otherNames:
      "concurrent jobs limit maxConcurrency maxJobs maxParallel maxProcesses maxProcs maxThreads maxWorkers parallel parallelism poolSize processes procs threads workers",
  },
  keepOrder: { otherNames: "group keepInputOrder order ordered preserveOrder sorted" },
  signal: { otherNames: "abort abortController abortSignal cancelSignal controller" },
  timeoutMs: { otherNames: "taskTimeout timeLimit timeout timeoutSeconds", unit: ", in milliseconds" },
  killAfterMs: {
    otherNames: "forceKillAfterDelay gracePeriod killAfter killAfterTimeout killDelay killTimeout",
    unit: ", in milliseconds",
  },
  retry: {
    otherNames: "attempts maxAttempts maxRetries restartTries retries retryLimit tries",
    unit: ": { limit: … }",
  },
  startDelayMs: { otherNames: "delay interval sleep startDelay", unit: ", in milliseconds" },
  maxLoad: { otherNames: "load loadAverage loadavg maxLoadAverage" },
  minFreeMemoryBytes: { otherNames: "freeMemory memFree memfree minFreeMemory minMemory", unit: ", in bytes" },
  halt: {
    otherNames: "bail failFast haltOnError killOthers killOthersOn killOthersOnFail stopOnError",
    unit: ', such as { when: "now", on: "fail", count: 1 }',
  },
  total: { otherNames: "count taskCount" },
  onOutput: { otherNames: "onStderr onStdout outputHandler stdio" },
  outputBy: { otherNames: "lineBuffer lineBuffered lines outputMode" },
  onProgress: { otherNames: "progress progressBar onUpdate" },
  recordCommand: { otherNames: "recordCmd" },
  resources: { otherNames: "limits licenses units" },
  maxWaiting: { otherNames: "maxQueue maxQueued maxPending readAhead", unit: ", the number of tasks" },
  estimateMs: { otherNames: "durationOf estimate estimatedDuration expectedMs learn" },
  recorded: { otherNames: "results resultsFile" },
  onAttemptStart: { otherNames: "beforeAttempt onAttempt onStart onTaskStart" },
};

/** Other names for the fields of `retry`. */
const RETRY_HINTS: readonly [field: keyof RetryOptions, otherNames: string][] = [
  ["delayMs", "backoff minTimeout restartDelay retryBackoff retryDelay retryDelayMs retryInterval"],
  ["maxDelayMs", "maxBackoff maxDelay maxRetryDelay maxRetryDelayMs maxTimeout"],
  ["on", "retryIf retryOn shouldRetry"],
];

/** The names of {@linkcode PoolOptions}. */
export const POOL_OPTION_NAMES: OptionNames = joinOptionNames(optionNames(HINTS), {
  known: [],
  advice: new Map(
    RETRY_HINTS.flatMap(([field, names]) =>
      names.split(" ").map((name): [string, string] => [name, `use "retry": { ${field}: … }`])
    ),
  ),
});
