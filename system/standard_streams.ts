/** Standard output and standard error, as all runtimes should have them. @module */

import { constants, fstatSync, readFileSync } from "node:fs";
import process from "node:process";
import type { Writable } from "node:stream";
import { isPermitted } from "./deno_permissions.ts";
import { whenReady } from "./would_block.ts";

interface DenoStream {
  write(bytes: Uint8Array): Promise<number>;
}

const { Deno: deno } = globalThis as { Deno?: Record<"stdout" | "stderr", DenoStream> };
const STDOUT = 1;

/**
 * Writes to standard output, however long nobody reads it, and lets everything else go on meanwhile.
 *
 * @throws the error of the system, such as one with the code `EPIPE` when nobody will read any more.
 */
export function writeStdout(bytes: Uint8Array): Promise<void> {
  return deno ? denoStdout.write(bytes) : writeTo(process.stdout, bytes);
}

/**
 * Writes to standard error, however long nobody reads it. Settles when that is written, with everything before it, or nobody
 * will read it.
 */
export async function writeStderr(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  await (deno ? denoStderr.write(bytes) : writeTo(process.stderr, bytes)).catch(() => {});
}

function writeTo(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => stream.write(bytes, (error) => error ? reject(error) : resolve()));
}

/**
 * A stream of Deno. Those of node:process would block the whole program, and a write that fails with `EAGAIN`, as to a full
 * pipe that another program has made non-blocking, would never settle.
 */
class StreamOfDeno {
  readonly #writePart: (bytes: Uint8Array) => Promise<number>;
  /** The write before the next one. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param writePart writes some of the bytes, at least one, and gives their number. */
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

const denoStderr = new StreamOfDeno((bytes) => whenReady(() => deno!.stderr.write(bytes)));

let nonBlockingStdout: Writable | undefined;
/** Deno keeps a part of a line for itself: after `EAGAIN` it is not known how much was written. */
const denoStdout = new StreamOfDeno(async (bytes) => {
  nonBlockingStdout ??= isNonBlocking(STDOUT) ? await openNonBlocking(STDOUT) : undefined;
  if (!nonBlockingStdout) return await deno!.stdout.write(bytes);
  await writeTo(nonBlockingStdout, bytes);
  return bytes.length;
});

/** Whether that is known of a descriptor: Linux tells it, to programs with all permissions. */
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

/** A stream that waits until there is room. It would also make the descriptor non-blocking, for all programs that have it. */
async function openNonBlocking(descriptor: number): Promise<Writable | undefined> {
  const status = fstatSync(descriptor);
  const isPipe = status.isFIFO() || status.isSocket();
  if (!isPipe && !status.isCharacterDevice()) return undefined;
  const stream = isPipe
    ? new (await import("node:net")).Socket({ fd: descriptor, readable: false, writable: true })
    : new (await import("node:tty")).WriteStream(descriptor);
  stream.on("error", () => {}); // the write that fails says so
  return stream;
}
