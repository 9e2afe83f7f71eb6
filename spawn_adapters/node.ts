/** Starts processes with `node:child_process`, which Deno and Bun have too. @module */

import { spawn } from "node:child_process";
import process from "node:process";
import { type Readable, Writable } from "node:stream";
import type { ChildProcess, ExitStatus, SpawnAdapter, SpawnOptions } from "./types.ts";

/** The adapter for Node. */
export const spawnAdapter: SpawnAdapter = {
  name: "node",
  spawn({ program, args, cwd, env, stdin }: SpawnOptions): Promise<ChildProcess> {
    const { promise, resolve, reject } = Promise.withResolvers<ChildProcess>();
    // It throws for some failures (E2BIG, ENOTDIR) and emits `error` for others (ENOENT, EACCES).
    try {
      const child = spawn(program, args, {
        stdio: [stdin === "piped" ? "pipe" : "ignore", "pipe", "pipe"],
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
          stdin: child.stdin && Writable.toWeb(child.stdin) as WritableStream<Uint8Array>,
          stdout: toWeb(child.stdout!),
          stderr: toWeb(child.stderr!),
          exited,
        }));
    } catch (error) {
      reject(error);
    }
    return promise;
  },
};

/** `Readable.toWeb` would do, but in Deno a stream of it that is canceled after the exit rejects where none can catch. */
function toWeb(readable: Readable): ReadableStream<Uint8Array> {
  let isOpen = true;
  return new ReadableStream({
    start(controller) {
      const close = () => {
        if (isOpen) controller.close();
        isOpen = false;
      };
      readable.on("data", (chunk: Uint8Array) => {
        if (isOpen) controller.enqueue(chunk);
        if (!((controller.desiredSize ?? 0) > 0)) readable.pause();
      });
      readable.on("end", close);
      readable.on("close", close);
      readable.on("error", close); // a pipe that breaks has no more to give
      readable.pause();
    },
    pull() {
      readable.resume();
    },
    cancel() {
      isOpen = false;
      readable.destroy();
    },
  });
}
