/** Starts processes with `node:child_process`, which Deno and Bun also provide. @module */

import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import type { ChildProcess, ExitStatus, InputWriter, OutputReader, SpawnAdapter, SpawnOptions } from "./types.ts";

/** The adapter for Node. */
export const spawnAdapter: SpawnAdapter = {
  name: "node",
  canSignal: true,
  spawn({ program, args, cwd, env, stdin, stderr }: SpawnOptions): Promise<ChildProcess> {
    const { promise, resolve, reject } = Promise.withResolvers<ChildProcess>();
    // spawn() throws for some failures (E2BIG, ENOTDIR) and emits `error` for others (ENOENT, EACCES).
    try {
      checkDescriptors();
      const child = spawn(program, args, {
        stdio: [stdin === "piped" ? "pipe" : "ignore", "pipe", stderr === "piped" ? "pipe" : "ignore"],
        detached: true,
        ...(cwd !== undefined && { cwd }),
        ...(env !== undefined && { env: { ...process.env, ...env } }),
      });
      const exited = new Promise<ExitStatus>((resolve) => {
        child.once("exit", (code, signal) => resolve({ code, signal }));
      });
      child.once("error", reject);
      child.once("spawn", () =>
        resolve({
          pid: child.pid!,
          stdin: child.stdin && inputWriter(child.stdin),
          stdout: new ReadableReader(child.stdout!),
          stderr: child.stderr && new ReadableReader(child.stderr),
          exited,
          unref() {
            child.unref();
            for (const stream of child.stdio) (stream as Partial<Socket> | null)?.unref?.(); // missing on Bun
          },
        }));
    } catch (error) {
      reject(error);
    }
    return promise;
  },
};

/** Three socket pairs, the pipe that reports an error of `exec`, and the files that the child opens before it. */
const NEEDED_DESCRIPTORS = 10;

/**
 * Throws when too few descriptors are left to start a process. Node would detect that only after creating some of the
 * pipes, and leak them.
 */
function checkDescriptors(): void {
  const descriptors: number[] = [];
  try {
    while (descriptors.length < NEEDED_DESCRIPTORS) descriptors.push(openSync("/dev/null", "r"));
  } finally {
    descriptors.forEach((descriptor) => closeSync(descriptor));
  }
}

function inputWriter(stream: Writable): InputWriter {
  stream.on("error", () => {});
  return {
    write: (text) => {
      stream.write(text);
    },
    close: () => {
      stream.end();
    },
    abort: () => {
      stream.destroy();
    },
  };
}

/** Reads chunks from a Node stream. Converting it to a web stream would cost more than reading a short line. */
class ReadableReader implements OutputReader {
  readonly #stream: Readable;
  /**
   * Chunks that were received but not requested: one, and those that the stream emits before `pause()` takes effect.
   */
  readonly #chunks: Uint8Array[] = [];
  #ended = false;
  #resolve: ((chunk: Uint8Array | undefined) => void) | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on("data", (chunk: Uint8Array) => {
      if (this.#resolve) return this.#settle(chunk);
      this.#chunks.push(chunk);
      stream.pause();
    });
    const end = () => {
      this.#ended = true;
      this.#settle(undefined);
    };
    stream.on("end", end);
    stream.on("close", end);
    stream.on("error", end);
    stream.pause();
  }

  read(): Promise<Uint8Array | undefined> {
    if (this.#chunks.length > 0 || this.#ended) return Promise.resolve(this.#chunks.shift());
    if (this.#stream.isPaused()) this.#stream.resume();
    return new Promise((resolve) => this.#resolve = resolve);
  }

  cancel(): void {
    this.#chunks.length = 0;
    this.#ended = true;
    this.#stream.destroy();
    this.#settle(undefined);
  }

  #settle(chunk: Uint8Array | undefined): void {
    this.#resolve?.(chunk);
    this.#resolve = undefined;
  }
}
