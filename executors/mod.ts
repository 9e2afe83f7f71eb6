/** Makes the executors that carry out attempts on this machine. @module */

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
   * The shell for commands given as a string: a path, or a name that is looked up in `PATH`. They run as under
   * `SHELL -c -- COMMAND SHELL`, where the last is `$0`. With dash plain commands are fastest.
   *
   * @default {"sh"}
   */
  shell?: string | undefined;
  /**
   * How many bytes of each output stream stand in the result. Of more, the result has the first part, and a file in
   * `spillDir` has all. At most 32 MiB.
   *
   * @default {1_048_576} (1 MiB)
   */
  maxInlineBytes?: number | undefined;
  /**
   * The directory for output that is too large for the result, as a path or a `file:` URL. It is made when it is needed,
   * and its files stay.
   *
   * @default a new directory `taskrunner-output-…` below the system's directory for temporary files
   */
  spillDir?: string | URL | undefined;
  /**
   * How many bytes a task may print to each of its output streams. One that prints more is ended, as after its timeout; it
   * comes with the outcome `output-limit` and with so much of that output. `Infinity` is no limit.
   *
   * @default {1_073_741_824} (1 GiB)
   */
  maxOutputBytes?: number | undefined;
  /**
   * How processes are started.
   *
   * @default the adapter of the runtime
   */
  spawnAdapter?: SpawnAdapter | undefined;
  /**
   * Ends the running tasks, with all that they have started, when this program ends without ending the run: by a signal,
   * SIGKILL too, by `process.exit` or by an error that nobody catches. They get SIGTERM, and within a second SIGKILL. A small
   * shell in the background does it, so that this program's own handling of signals stays as it is.
   *
   * @default {true}
   */
  cleanup?: boolean | undefined;
}

/** The names of the executors that run tasks here. */
export const EXECUTORS = ["shell", "process"] as const;

/** So that a line of JSON stays below what a string can hold, even when every byte of both streams is escaped. */
export const MAX_INLINE_BYTES = 32 * 1024 * 1024;

/** What is not for everybody to say. */
export interface InternalExecutorOptions extends LocalExecutorOptions {
  /** @default {"shell"} */
  executor?: typeof EXECUTORS[number] | undefined;
  /** What the names of directories for temporary files begin with. */
  temporaryPrefix?: string | undefined;
  /** Watches the processes, instead of a guard of the executor's own. */
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
 * @throws `RangeError` for a URL that names no file of this machine.
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
 * Makes an executor. It is closed by the run that it was made for.
 *
 * @throws `RangeError` for an option that is out of range.
 */
export function createExecutor(options: InternalExecutorOptions): Executor {
  const { executor = "shell", spawnAdapter, temporaryPrefix, cleanup = true } = options;
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
  });
}
