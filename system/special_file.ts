/** Opens and reads files that may block: FIFOs, terminals, devices. @module */

import { constants, createReadStream, fstatSync, open as openCallback, openSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { promisify } from "node:util";
import { systemCode } from "./system_error.ts";
import { isTerminal } from "./terminal.ts";

const { O_APPEND, O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;
const openDescriptor = promisify(openCallback);
const POLL_MS = 50;

/** The members of Deno's API that open files. */
interface DenoFiles {
  open(
    path: string,
    options: { append: boolean },
  ): Promise<{ write(bytes: Uint8Array): Promise<number>; close(): void }>;
}

const { Deno: deno } = globalThis as { Deno?: DenoFiles };

/** Node cannot exit while one of its threads is blocked in a system call, as on a FIFO or a terminal. */
const canExitWhileBlocked = deno !== undefined || "Bun" in globalThis;

/**
 * Opens a file for reading without waiting for the writer of a FIFO, so that the caller can reject what is not a
 * regular file.
 */
export function openWithoutWaiting(path: string): Promise<FileHandle> {
  return open(path, O_RDONLY | O_NONBLOCK);
}

/**
 * Opens a file of any kind for appending. For a FIFO this waits for a reader. Writes to the file may fail with
 * `EAGAIN`.
 *
 * @param signal Aborts the wait.
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
    await new Promise((resolve) => setTimeout(resolve, POLL_MS)); // no reader yet
  }
}

/**
 * Opens a file whose writes go through Deno's own API: Deno's `node:fs` writes on the main thread, and after `EAGAIN`
 * does not report how much it has written.
 */
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
 * @param signal Aborts the wait for the writer of a FIFO.
 */
export async function* readSpecialFile(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  yield* canExitWhileBlocked ? createReadStream(path) : await openStream(path, signal);
}

async function openStream(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  signal.throwIfAborted();
  const wake = () => openAsWriter(path);
  signal.addEventListener("abort", wake);
  // Not with O_NONBLOCK: a read of a FIFO would report the end before the first writer has opened the FIFO.
  const descriptor = await openDescriptor(path, "r").finally(() => signal.removeEventListener("abort", wake));
  if (isTerminal(descriptor)) return new (await import("node:tty")).ReadStream(descriptor);
  if (!fstatSync(descriptor).isFIFO()) return createReadStream(path, { fd: descriptor });
  return new (await import("node:net")).Socket({ fd: descriptor, readable: true, writable: false });
}

/**
 * Opens a FIFO for writing, to unblock a pending open for reading. The FIFO stays open, because the pending open may be
 * just starting.
 */
function openAsWriter(path: string): void {
  try {
    openSync(path, O_RDWR | O_NONBLOCK);
  } catch {
    // no permission to write
  }
}
