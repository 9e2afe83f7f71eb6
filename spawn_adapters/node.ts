/** Starts processes with `node:child_process`, which Deno and Bun have too. @module */

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
    // It throws for some failures (E2BIG, ENOTDIR) and emits `error` for others (ENOENT, EACCES).
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
            for (const stream of child.stdio) (stream as Partial<Socket> | null)?.unref?.(); // Bun has none
          },
        }));
    } catch (error) {
      reject(error);
    }
    return promise;
  },
};

/** Three pairs of sockets, a pipe for the error of `exec`, and what the child opens before that. */
const NEEDED_DESCRIPTORS = 10;

/**
 * Throws when there are too few descriptors for another process. Node finds that out when it has made some of the pipes, and
 * never closes them.
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

/** A stream of Node read by the piece. Web streams of it cost more than all the rest of reading a short line. */
class ReadableReader implements OutputReader {
  readonly #stream: Readable;
  /** What has come and was not asked for yet: one piece, and what the stream had already begun to hand out. */
  readonly #pieces: Uint8Array[] = [];
  #ended = false;
  #resolve: ((piece: Uint8Array | undefined) => void) | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on("data", (piece: Uint8Array) => {
      if (this.#resolve) return this.#settle(piece);
      this.#pieces.push(piece);
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
    if (this.#pieces.length > 0 || this.#ended) return Promise.resolve(this.#pieces.shift());
    if (this.#stream.isPaused()) this.#stream.resume();
    return new Promise((resolve) => this.#resolve = resolve);
  }

  cancel(): void {
    this.#pieces.length = 0;
    this.#ended = true;
    this.#stream.destroy();
    this.#settle(undefined);
  }

  #settle(piece: Uint8Array | undefined): void {
    this.#resolve?.(piece);
    this.#resolve = undefined;
  }
}
