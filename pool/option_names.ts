import { type OptionHint, optionNames } from "../text/unknown_option.ts";
import type { PoolOptions } from "./options.ts";

/** With the names in this command, GNU parallel, xargs, execa, concurrently, p-limit, p-queue and p-retry. */
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
  retries: { otherNames: "attempts maxAttempts maxRetries restartTries retry retryLimit tries" },
  retryDelayMs: {
    otherNames: "backoff minTimeout restartDelay retryBackoff retryDelay retryInterval",
    unit: ", in milliseconds",
  },
  maxRetryDelayMs: { otherNames: "maxBackoff maxDelay maxRetryDelay maxTimeout", unit: ", in milliseconds" },
  startDelayMs: { otherNames: "delay interval sleep startDelay", unit: ", in milliseconds" },
  maxLoad: { otherNames: "load loadAverage loadavg maxLoadAverage" },
  minFreeMemoryBytes: { otherNames: "freeMemory memFree memfree minFreeMemory minMemory", unit: ", in bytes" },
  halt: {
    otherNames: "bail failFast haltOnError killOthers killOthersOn killOthersOnFail stopOnError",
    unit: ', such as "now,fail=1"',
  },
  total: { otherNames: "count taskCount" },
  onProgress: { otherNames: "progress progressBar onUpdate" },
  onAttemptStart: { otherNames: "beforeAttempt onAttempt onStart onTaskStart" },
};

/** The names of {@linkcode PoolOptions}. */
export const POOL_OPTION_NAMES = optionNames(HINTS);
