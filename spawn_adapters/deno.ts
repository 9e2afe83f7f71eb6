/** Starts processes with `Deno.Command`. @module */

import type { ChildProcess, ExitStatus, InputWriter, OutputReader, SpawnAdapter, SpawnOptions } from "./types.ts";

/** The adapter for Deno. It needs `--allow-run`, or `--allow-run=sh` and what else is to be run. */
export const spawnAdapter: SpawnAdapter = {
  name: "deno",
  // Asked only once: without the permission Deno would ask the user for each signal.
  canSignal: Deno.permissions.querySync({ name: "run" }).state === "granted",
  // deno-lint-ignore require-await -- a failure to start has to reject, as it does in the other runtimes
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

function start({ program, args, cwd, env, stdin, stderr }: SpawnOptions): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      stdin,
      stdout: "piped",
      stderr,
      detached: true,
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

/** As large as a pipe. */
const BUFFER_BYTES = 64 * 1024;

/** Reads into one buffer again and again: a stream's own way makes a new one of that size for each read. */
function outputReader(stream: ReadableStream<Uint8Array>): OutputReader {
  const reader = stream.getReader({ mode: "byob" });
  let buffer = new Uint8Array(BUFFER_BYTES);
  return {
    async read() {
      try {
        const { done, value } = await reader.read(buffer);
        if (value) buffer = new Uint8Array(value.buffer);
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

/** Deno rejects `status` when the signal has no name, as real-time signals have none: `Invalid signal: 35`. */
function unnamedSignal(error: unknown): ExitStatus {
  const number = /^Invalid signal: (\d+)$/.exec(error instanceof Error ? error.message : "")?.[1];
  return { code: null, signal: number === undefined ? null : `SIG${number}` };
}
