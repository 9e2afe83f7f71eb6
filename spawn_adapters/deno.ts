/** Starts processes with `Deno.Command`. @module */

import type { ChildProcess, ExitStatus, SpawnAdapter, SpawnOptions } from "./types.ts";

/** The adapter for Deno. It needs `--allow-run`. */
export const spawnAdapter: SpawnAdapter = {
  name: "deno",
  // deno-lint-ignore require-await -- a failure to start has to reject, as it does in the other runtimes
  async spawn({ program, args, cwd, env, stdin }: SpawnOptions): Promise<ChildProcess> {
    const child = new Deno.Command(program, {
      args: [...args],
      stdin,
      stdout: "piped",
      stderr: "piped",
      detached: true,
      ...(cwd !== undefined && { cwd }),
      ...(env !== undefined && { env }),
    }).spawn();
    return {
      pid: child.pid,
      stdin: stdin === "piped" ? child.stdin : null,
      stdout: child.stdout,
      stderr: child.stderr,
      exited: child.status.then(exitStatus, unnamedSignal),
    };
  },
};

function exitStatus({ code, signal }: Deno.CommandStatus): ExitStatus {
  return signal === null ? { code, signal } : { code: null, signal };
}

/** Deno rejects `status` when the signal has no name, as real-time signals have none: `Invalid signal: 35`. */
function unnamedSignal(error: unknown): ExitStatus {
  const number = /^Invalid signal: (\d+)$/.exec(error instanceof Error ? error.message : "")?.[1];
  return { code: null, signal: number === undefined ? null : `SIG${number}` };
}
