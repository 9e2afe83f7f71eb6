/** Starts processes with `Bun.spawn`. @module */

import process from "node:process";
import type { ChildProcess, InputWriter, OutputReader, SpawnAdapter, SpawnOptions } from "./types.ts";

/** The members of Bun's API that this adapter uses. */
interface BunApi {
  spawn(command: string[], options: {
    cwd?: string;
    env: Record<string, string | undefined>;
    stdin: "ignore" | "pipe";
    stdout: "pipe";
    stderr: "ignore" | "pipe";
    detached: true;
  }): BunSubprocess;
}

interface BunSubprocess {
  readonly pid: number;
  readonly stdin: BunFileSink | undefined;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array> | undefined;
  readonly exited: Promise<unknown>;
  readonly exitCode: number | null;
  readonly signalCode: string | number | null;
  unref(): void;
  resourceUsage(): { cpuTime: { user: bigint; system: bigint } } | undefined;
}

interface BunFileSink {
  write(chunk: string | Uint8Array): number | Promise<number>;
  flush(): number | Promise<number>;
  end(): number | Promise<number>;
  unref(): void;
}

declare const Bun: BunApi;

/** The adapter for Bun. */
export const spawnAdapter: SpawnAdapter = {
  name: "bun",
  canSignal: true,
  // deno-lint-ignore require-await -- a failure to start must reject instead of throwing
  async spawn({ program, args, cwd, env, stdin, stderr }: SpawnOptions): Promise<ChildProcess> {
    const child = Bun.spawn([program, ...args], {
      stdin: stdin === "piped" ? "pipe" : "ignore",
      stdout: "pipe",
      stderr: stderr === "piped" ? "pipe" : "ignore",
      detached: true,
      ...(cwd !== undefined && { cwd }),
      env: { ...process.env, ...env }, // Bun's default is the environment at program start
    });
    return {
      pid: child.pid,
      stdin: child.stdin === undefined ? null : inputWriter(child.stdin),
      stdout: outputReader(child.stdout),
      stderr: child.stderr === undefined ? null : outputReader(child.stderr),
      exited: child.exited.then(() => {
        const cpuTime = child.resourceUsage()?.cpuTime;
        // Bun reports a signal without a name, such as a real-time signal, as a number.
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
      unref() {
        child.unref();
        child.stdin?.unref();
      },
    };
  },
};

function inputWriter(sink: BunFileSink): InputWriter {
  // When the process has ended, these calls throw or reject.
  const attempt = (action: () => unknown) => {
    try {
      Promise.resolve(action()).catch(() => {});
    } catch {
      // The process has ended.
    }
  };
  return {
    write(data) {
      attempt(() => sink.write(data));
      attempt(() => sink.flush());
    },
    close: () => attempt(() => sink.end()),
    abort: () => attempt(() => sink.end()),
  };
}

function outputReader(stream: ReadableStream<Uint8Array>): OutputReader {
  const reader = stream.getReader();
  return {
    async read() {
      try {
        return (await reader.read()).value;
      } catch {
        return undefined;
      }
    },
    cancel: () => {
      reader.cancel().catch(() => {});
    },
  };
}
