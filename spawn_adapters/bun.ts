/** Starts processes with `Bun.spawn`. @module */

import process from "node:process";
import type { ChildProcess, SpawnAdapter, SpawnOptions } from "./types.ts";

/** The members of Bun's API that are used here. */
interface BunApi {
  spawn(command: string[], options: {
    cwd?: string;
    env?: Record<string, string | undefined>;
    stdin: "ignore" | "pipe";
    stdout: "pipe";
    stderr: "pipe";
    detached: true;
  }): BunSubprocess;
}

interface BunSubprocess {
  readonly pid: number;
  readonly stdin: BunFileSink | undefined;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly exited: Promise<unknown>;
  readonly exitCode: number | null;
  readonly signalCode: string | number | null;
  resourceUsage(): { cpuTime: { user: bigint; system: bigint } } | undefined;
}

interface BunFileSink {
  write(chunk: Uint8Array): number | Promise<number>;
  flush(): number | Promise<number>;
  end(): number | Promise<number>;
}

declare const Bun: BunApi;

/** The adapter for Bun. */
export const spawnAdapter: SpawnAdapter = {
  name: "bun",
  // deno-lint-ignore require-await -- a failure to start has to reject, as it does in the other runtimes
  async spawn({ program, args, cwd, env, stdin }: SpawnOptions): Promise<ChildProcess> {
    const child = Bun.spawn([program, ...args], {
      stdin: stdin === "piped" ? "pipe" : "ignore",
      stdout: "pipe",
      stderr: "pipe",
      detached: true,
      ...(cwd !== undefined && { cwd }),
      ...(env !== undefined && { env: { ...process.env, ...env } }),
    });
    return {
      pid: child.pid,
      stdin: child.stdin === undefined ? null : writable(child.stdin),
      stdout: child.stdout,
      stderr: child.stderr,
      exited: child.exited.then(() => {
        const cpuTime = child.resourceUsage()?.cpuTime;
        // A signal without a name, such as a real-time signal, is a number here.
        const signal = typeof child.signalCode === "number" ? `SIG${child.signalCode}` : child.signalCode;
        return {
          code: signal === null ? child.exitCode : null,
          signal,
          ...(cpuTime && {
            userMs: Number(cpuTime.user) / 1000,
            systemMs: Number(cpuTime.system) / 1000,
          }),
        };
      }),
    };
  },
};

function writable(sink: BunFileSink): WritableStream<Uint8Array> {
  return new WritableStream({
    async write(chunk) {
      await sink.write(chunk);
      await sink.flush();
    },
    async close() {
      await sink.end();
    },
    async abort() {
      await sink.end();
    },
  });
}
