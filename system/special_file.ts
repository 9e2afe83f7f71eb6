/** Files that are not regular, such as FIFOs, terminals and devices: opening, reading and writing them can take for ever. @module */

import { constants, createReadStream, fstatSync, open as openCallback, openSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { isatty } from "node:tty";
import { promisify } from "node:util";
import { systemCode } from "./system_error.ts";

const { O_APPEND, O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;
const openDescriptor = promisify(openCallback);
const POLL_MS = 50;

/** The part of Deno that opens files. */
interface DenoFiles {
  open(
    path: string,
    options: { append: boolean },
  ): Promise<{ write(bytes: Uint8Array): Promise<number>; close(): void }>;
}

const { Deno: deno } = globalThis as { Deno?: DenoFiles };

/** Node cannot exit while one of its threads waits in the system, for the other end of a FIFO or for a terminal. */
const canExitWhileBlocked = deno !== undefined || "Bun" in globalThis;

/**
 * Opens a file for reading, whatever it is, without waiting for the other end of a FIFO: for callers that only read regular
 * files, and say so of others.
 */
export function openWithoutWaiting(path: string): Promise<FileHandle> {
  return open(path, O_RDONLY | O_NONBLOCK);
}

/**
 * Opens a file to append to, whatever it is. A FIFO is opened when somebody reads it. Writes may fail with `EAGAIN`.
 *
 * @param signal ends the wait.
 */
export async function openForAppending(path: string, signal: AbortSignal): Promise<FileHandle> {
  if (deno) return await openOnDeno(path, deno);
  if (canExitWhileBlocked) return await open(path, "a");
  for (;;) {
    signal.throwIfAborted();
    try {
      return await open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK);
    } catch (error) {
      if (systemCode(error) !== "ENXIO" || !statSync(path).isFIFO()) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS)); // nobody reads it yet
  }
}

/** Deno's node:fs writes on the main thread, and loses count of what it has written when that fails with `EAGAIN`. */
async function openOnDeno(path: string, deno: DenoFiles): Promise<FileHandle> {
  const file = await open(path, "a");
  if ((await file.stat()).isFile()) return file;
  const own = await deno.open(path, { append: true });
  const close = file.close.bind(file);
  const write = async (bytes: Uint8Array, offset: number, length: number) => {
    return { bytesWritten: await own.write(bytes.subarray(offset, offset + length)), buffer: bytes };
  };
  return Object.assign(file, {
    write: write as FileHandle["write"],
    close() {
      own.close();
      return close();
    },
  });
}

/**
 * Reads a file that is not regular to its end.
 *
 * @param signal ends the wait for somebody who writes to a FIFO.
 */
export async function* readSpecialFile(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  yield* canExitWhileBlocked ? createReadStream(path) : await openStream(path, signal);
}

async function openStream(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  signal.throwIfAborted();
  const wake = () => becomeWriter(path);
  signal.addEventListener("abort", wake);
  // Not with O_NONBLOCK: it could not be told whether whoever writes has not come yet, or has gone.
  const descriptor = await openDescriptor(path, "r").finally(() => signal.removeEventListener("abort", wake));
  if (isatty(descriptor)) return new (await import("node:tty")).ReadStream(descriptor);
  if (!fstatSync(descriptor).isFIFO()) return createReadStream(path, { fd: descriptor });
  return new (await import("node:net")).Socket({ fd: descriptor, readable: true, writable: false });
}

/** Opens a FIFO for writing, so that those who wait for that go on. It stays open: they may only be about to wait. */
function becomeWriter(path: string): void {
  try {
    openSync(path, O_RDWR | O_NONBLOCK);
  } catch {
    // it is not ours to write to
  }
}
