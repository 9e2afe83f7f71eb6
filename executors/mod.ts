/** Creates the executors that run attempts on this machine. @module */

import { join } from "node:path";
import { defaultSpawnAdapter, type SpawnAdapter } from "../spawn_adapters/mod.ts";
import { ProcessGuard } from "../spawn_adapters/guard.ts";
import { isPermitted } from "../system/deno_permissions.ts";
import { filePath } from "../system/file_path.ts";
import { excerpt } from "../text/excerpt.ts";
import { privateDirectoryName } from "../system/temporary_directory.ts";
import { ProcessExecutor } from "./process.ts";
import { scratchLocations } from "./shell/scratch_directory.ts";
import { signalSender } from "./send_signal.ts";
import { ShellExecutor } from "./shell/executor.ts";
import { SpillDirectory } from "./spill_directory.ts";
import { StartPacer } from "./start_pacer.ts";
import type { Executor, ExecutorSettings } from "../pool/executor.ts";
import { DEFAULT_KILL_AFTER_MS, type PoolOptions } from "../pool/options.ts";

/** Options of the executors that run tasks on this machine. */
export interface LocalExecutorOptions {
  /**
   * The shell for commands that are strings: a path, or a name to look up in `PATH`. A command runs as with
   * `SHELL -c -- COMMAND SHELL`, where the second `SHELL` becomes `$0`. Plain commands run fastest with dash.
   *
   * @default {"sh"}
   */
  shell?: string | undefined;
  /**
   * The number of bytes of each output stream in the result, at most 32 MiB. Of larger output, the result has the first
   * part, and a file in `spillDir` has all of it.
   *
   * @default {1_048_576} (1 MiB)
   */
  maxInlineBytes?: number | undefined;
  /**
   * The directory for output that is too large for the result, as a path or a `file:` URL. The first such output creates
   * the directory; its files are not deleted.
   *
   * @default a new directory `taskrunner-output-…` in the system's directory for temporary files
   */
  spillDir?: string | URL | undefined;
  /**
   * The maximum number of bytes that a task may write to each output stream; `Infinity` for no limit. A task that writes
   * more is terminated as after a timeout. Its outcome is `output-limit`, and the output is truncated to this size.
   *
   * @default {1_073_741_824} (1 GiB)
   */
  maxOutputBytes?: number | undefined;
  /**
   * The adapter that starts processes.
   *
   * @default the adapter for the current runtime
   */
  spawnAdapter?: SpawnAdapter | undefined;
  /**
   * Terminates running tasks and their child processes when this program dies during a run: by a signal (SIGKILL
   * included), by `process.exit`, or by an uncaught error. The processes get SIGTERM, and SIGKILL within a second. A small
   * background shell sends these signals, so this program keeps its own signal handlers.
   *
   * @default {true}
   */
  cleanup?: boolean | undefined;
}

/** The names of the executors for this machine. */
export const EXECUTORS = ["shell", "process"] as const;

/** Keeps a line of JSON below the maximum length of a string, even with every byte of both streams escaped. */
export const MAX_INLINE_BYTES = 32 * 1024 * 1024;

/** Options of {@linkcode createExecutor}. The additional ones are internal. */
export interface InternalExecutorOptions extends LocalExecutorOptions {
  /** @default {"shell"} */
  executor?: typeof EXECUTORS[number] | undefined;
  /**
   * The prefix for the names of temporary directories.
   *
   * @default a random name for scratch directories, `taskrunner` for spill directories
   */
  temporaryPrefix?: string | undefined;
  /**
   * True to decode large outputs only when their texts are read.
   *
   * @default {false}
   */
  isLazy?: boolean | undefined;
  /**
   * The guard that watches the processes.
   *
   * @default a guard that the executor starts and closes, unless `cleanup` is false
   */
  guard?: ProcessGuard | undefined;
}

/**
 * Checks the options that all executors share, and fills in the defaults.
 *
 * @throws `RangeError` for an option that is out of range.
 */
export function executorSettings(
  options: LocalExecutorOptions & Pick<PoolOptions, "killAfterMs">,
): ExecutorSettings {
  const { shell = "sh", maxInlineBytes = 1024 ** 2, maxOutputBytes = 1024 ** 3 } = options;
  const { killAfterMs = DEFAULT_KILL_AFTER_MS } = options;
  if (!Number.isSafeInteger(maxInlineBytes) || maxInlineBytes < 0 || maxInlineBytes > MAX_INLINE_BYTES) {
    throw new RangeError(
      `Cannot start the pool: maxInlineBytes must be an integer from 0 to ${MAX_INLINE_BYTES}, got ${maxInlineBytes}`,
    );
  }
  if (maxOutputBytes !== Infinity && !(Number.isSafeInteger(maxOutputBytes) && maxOutputBytes >= 0)) {
    throw new RangeError(
      `Cannot start the pool: maxOutputBytes must be an integer of at least 0, or Infinity, got ${
        excerpt(maxOutputBytes)
      }`,
    );
  }
  if (shell === "") throw new RangeError("Cannot start the pool: shell must name a program, got an empty string");
  return { shell, maxInlineBytes, maxOutputBytes, killAfterMs, spillDir: spillPath(options.spillDir) };
}

/**
 * Returns the option `spillDir` as a path.
 *
 * @throws `RangeError` for a URL that is not a path on this machine.
 */
export function spillPath(spillDir: string | URL | undefined): string | undefined {
  try {
    return spillDir && filePath(spillDir);
  } catch (cause) {
    const problem = `spillDir ${(cause as Error).message}, got ${excerpt(String(spillDir))}`;
    throw new RangeError(`Cannot start the pool: ${problem}`, { cause });
  }
}

/**
 * Creates the executor of one run, which has to close it.
 *
 * @throws `RangeError` for an option that is out of range.
 */
export function createExecutor(options: InternalExecutorOptions): Executor {
  const { executor = "shell", spawnAdapter, temporaryPrefix, isLazy = false, cleanup = true } = options;
  if (!EXECUTORS.includes(executor)) {
    throw new RangeError(`Cannot start the pool: executor must be ${EXECUTORS.join(" or ")}, got ${excerpt(executor)}`);
  }
  const { shell, maxInlineBytes, maxOutputBytes, spillDir } = executorSettings(options);
  const adapter = spawnAdapter ? () => spawnAdapter : defaultSpawnAdapter;
  const scratchPrefix = temporaryPrefix ?? privateDirectoryName();
  const guardShell = ["sh", shell].find((command) => isPermitted({ name: "run", command }));
  const ownGuard = cleanup && !options.guard && guardShell !== undefined
    ? new ProcessGuard({
      adapter,
      shell: guardShell,
      removePrefixes: () => scratchLocations(maxOutputBytes).map(({ path }) => join(path, scratchPrefix)),
    })
    : undefined;
  const guard = options.guard ?? ownGuard;
  const common = {
    adapter: guard?.adapterFor("task") ?? adapter,
    shell,
    maxInlineBytes,
    maxOutputBytes,
    isLazy,
    spillDirectory: new SpillDirectory(spillDir, temporaryPrefix),
    sendSignal: signalSender(adapter, shell),
    pacer: new StartPacer(),
  };
  const processes = new ProcessExecutor({ ...common, guard: ownGuard });
  if (executor === "process") return processes;
  return new ShellExecutor({
    ...common,
    adapter: guard?.adapterFor("worker") ?? adapter,
    processes,
    temporaryPrefix: scratchPrefix,
    guardGroup: (group, ended) => guard?.add(group, "worker", ended),
  });
}
