/** Starts processes with `Deno.Command`. @module */

import { isPermitted } from "../system/deno_permissions.ts";
import type { ChildProcess, ExitStatus, InputWriter, OutputReader, SpawnAdapter, SpawnOptions } from "./types.ts";

/** The adapter for Deno. Needs `--allow-run`, or `--allow-run=sh,PROGRAM,…` with all programs to run. */
export const spawnAdapter: SpawnAdapter = {
  name: "deno",
  // Without the permission Deno would prompt the user for each signal.
  canSignal: Deno.permissions.querySync({ name: "run" }).state === "granted",
  // deno-lint-ignore require-await -- a failure to start must reject instead of throwing
  async spawn(options: SpawnOptions): Promise<ChildProcess> {
    const { stdin, stderr } = options;
    const child = start(options);
    return {
      pid: child.pid,
      stdin: stdin === "piped" ? inputWriter(child.stdin) : null,
      stdout: outputReader(child.stdout),
      stderr: stderr === "piped" ? outputReader(child.stderr) : null,
      exited: child.status.then(exitStatus, unnamedSignal),
      unref: () => child.unref(),
    };
  },
};

/** True when `setsid` can start shells; unknown before the first shell. macOS has no such program. */
let hasSetsid: boolean | undefined;

function start(options: SpawnOptions): Deno.ChildProcess {
  if (!options.isWorker) return startProgram(options, true);
  const { program } = options;
  // With `detached`, Deno forks: this copies its page tables, and takes many times as long as `posix_spawn`.
  hasSetsid ??= isPermitted({ name: "run", command: "setsid" });
  if (hasSetsid) {
    try {
      return startProgram({ ...options, program: "setsid", args: ["--", program] }, false);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      hasSetsid = false;
    }
  }
  // The first shell executes a second one, because Deno passes a path as the name of the first.
  return startProgram({ ...options, args: ["-c", 'exec "$0"', program] }, true);
}

function startProgram({ program, args, cwd, env, stdin, stderr }: SpawnOptions, detached: boolean): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      stdin,
      stdout: "piped",
      stderr,
      detached,
      ...(cwd !== undefined && { cwd }),
      ...(env !== undefined && { env }),
    }).spawn();
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    if (message.includes("failed resolving cwd")) throw new Error("the working directory of the runner was removed");
    throw error;
  }
}

function ignore(): void {}

function inputWriter(stream: WritableStream<Uint8Array>): InputWriter {
  const writer = stream.getWriter();
  const encoder = new TextEncoder();
  writer.closed.catch(ignore);
  return {
    write: (data) => {
      writer.write(typeof data === "string" ? encoder.encode(data) : data).catch(ignore);
    },
    close: () => {
      writer.close().catch(ignore);
    },
    abort: () => {
      writer.abort().catch(ignore);
    },
  };
}

/** The first size of a buffer: most outputs are short, and there may be thousands of processes. */
const MIN_BUFFER_BYTES = 4 * 1024;
/** The capacity of a pipe on Linux. */
const MAX_BUFFER_BYTES = 64 * 1024;

/** Reads into one reusable buffer; the default reader of a stream allocates a new one for each read. */
function outputReader(stream: ReadableStream<Uint8Array>): OutputReader {
  const reader = stream.getReader({ mode: "byob" });
  let buffer = new Uint8Array(MIN_BUFFER_BYTES);
  return {
    async read() {
      try {
        const { done, value } = await reader.read(buffer);
        if (value) {
          const isTooSmall = value.length === MIN_BUFFER_BYTES && value.buffer.byteLength === MIN_BUFFER_BYTES;
          buffer = isTooSmall ? new Uint8Array(MAX_BUFFER_BYTES) : new Uint8Array(value.buffer);
        }
        return done ? undefined : value;
      } catch {
        return undefined;
      }
    },
    cancel: () => {
      reader.cancel().catch(ignore);
    },
  };
}

function exitStatus({ code, signal }: Deno.CommandStatus): ExitStatus {
  return signal === null ? { code, signal } : { code: null, signal };
}

/**
 * Parses the signal from the error (`Invalid signal: 35`) with which Deno rejects `status` for a signal without a name.
 */
function unnamedSignal(error: unknown): ExitStatus {
  const number = /^Invalid signal: (\d+)$/.exec(error instanceof Error ? error.message : "")?.[1];
  return { code: null, signal: number === undefined ? null : `SIG${number}` };
}
