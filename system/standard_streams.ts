/** Writes to standard output and standard error, in the same way on all runtimes. @module */

import fs, { constants, fstatSync, readFileSync } from "node:fs";
import process from "node:process";
import type { Writable } from "node:stream";
import { isPermitted } from "./deno_permissions.ts";
import { retryOnEagain } from "./retry_on_eagain.ts";

interface DenoStream {
  write(bytes: Uint8Array): Promise<number>;
}

const { Deno: deno } = globalThis as { Deno?: Record<"stdout" | "stderr", DenoStream> };
const STDOUT = 1;
const STDERR = 2;

/**
 * Writes to standard output without blocking the program while a pipe is full.
 *
 * @throws the system's error, such as `EPIPE` when the reader has closed the pipe.
 */
export function writeStdout(bytes: Uint8Array): Promise<void> {
  return ownStdout ? ownStdout.write(bytes) : writeTo(openedStream("stdout"), bytes);
}

/**
 * Writes to standard error without blocking the program while a pipe is full. Resolves after this and all earlier output
 * is written; ignores errors, because they cannot be reported anywhere.
 */
export async function writeStderr(text: string): Promise<void> {
  await writeStderrBytes(new TextEncoder().encode(text)).catch(() => {});
}

/**
 * Writes to standard error without blocking the program while a pipe is full.
 *
 * @throws the system's error, such as `EPIPE` when the reader has closed the pipe.
 */
export function writeStderrBytes(bytes: Uint8Array): Promise<void> {
  return ownStderr ? ownStderr.write(bytes) : writeTo(openedStream("stderr"), bytes);
}

const opened = new Set<"stdout" | "stderr">();

/** Returns a stream of Node, which opens the stream at its first use. */
function openedStream(name: "stdout" | "stderr"): Writable {
  const stream = process[name];
  // Without a listener, a closed stream would end the process with a stack trace.
  if (!opened.has(name)) stream.on("error", () => {}); // the failed write reports the error
  opened.add(name);
  return stream;
}

function writeTo(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => stream.write(bytes, (error) => error ? reject(error) : resolve()));
}

/**
 * Serializes writes to a standard stream, instead of `process.stdout` and `process.stderr`. Those of Deno would block the
 * program, and a write that fails with `EAGAIN` (a full pipe that another program made non-blocking) would never settle.
 * The streams of Bun take longer to load than an empty program takes to start.
 */
class SerialOutput {
  readonly #writePart: (bytes: Uint8Array) => Promise<number>;
  /** The most recent write; the next one waits for it. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param writePart Writes at least one of the bytes and returns how many it has written. */
  constructor(writePart: (bytes: Uint8Array) => Promise<number>) {
    this.#writePart = writePart;
  }

  write(bytes: Uint8Array): Promise<void> {
    const written = this.#last.then(async () => {
      for (let written = 0; written < bytes.length;) written += await this.#writePart(bytes.subarray(written));
    });
    this.#last = written.catch(() => {});
    return written;
  }
}

let nonBlockingStdout: Writable | undefined;
let stdoutIsFile: boolean | undefined;
/** `Deno.stdout` is line-buffered, so after `EAGAIN` the number of written bytes is unknown. */
async function writeDenoStdout(bytes: Uint8Array): Promise<number> {
  stdoutIsFile ??= isRegularFile(STDOUT);
  // Another program may change the mode at any time.
  nonBlockingStdout ??= !stdoutIsFile && isNonBlocking(STDOUT) ? await openNonBlocking(STDOUT) : undefined;
  if (!nonBlockingStdout) return await deno!.stdout.write(bytes);
  await writeTo(nonBlockingStdout, bytes);
  return bytes.length;
}

/** Returns an output that writes to a descriptor in a thread, which may block. */
function descriptorOutput(descriptor: number): SerialOutput {
  const writePart = (bytes: Uint8Array) =>
    new Promise<number>((resolve, reject) => {
      fs.write(descriptor, bytes, (error, written) => error ? reject(error) : resolve(written));
    });
  return new SerialOutput((bytes) => retryOnEagain(() => writePart(bytes)));
}

const isBun = "Bun" in globalThis;
const ownStdout = deno ? new SerialOutput(writeDenoStdout) : isBun ? descriptorOutput(STDOUT) : undefined;
const ownStderr = deno
  ? new SerialOutput((bytes) => retryOnEagain(() => deno.stderr.write(bytes)))
  : isBun
  ? descriptorOutput(STDERR)
  : undefined;

/** Returns whether a descriptor is known to be a regular file, whose mode has no effect. */
function isRegularFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
}

/** Returns whether a descriptor is known to be non-blocking. Needs Linux and permission to read `/proc`. */
function isNonBlocking(descriptor: number): boolean {
  const path = `/proc/self/fdinfo/${descriptor}`;
  if (!isPermitted({ name: "read", path })) return false;
  try {
    const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(path, "latin1"))?.[1] ?? "";
    return (parseInt(flags, 8) & constants.O_NONBLOCK) !== 0;
  } catch {
    return false;
  }
}

/**
 * Opens a stream that waits while a non-blocking pipe, socket or device is full. Only for descriptors that are
 * non-blocking already: the stream sets that mode, which affects every program that shares the descriptor.
 */
async function openNonBlocking(descriptor: number): Promise<Writable | undefined> {
  const status = fstatSync(descriptor);
  const isPipe = status.isFIFO() || status.isSocket();
  if (!isPipe && !status.isCharacterDevice()) return undefined;
  const stream = isPipe
    ? new (await import("node:net")).Socket({ fd: descriptor, readable: false, writable: true })
    : new (await import("node:tty")).WriteStream(descriptor);
  stream.on("error", () => {}); // the failed write reports the error
  return stream;
}
