import { spawn } from "node:child_process";
import type { FileHandle } from "node:fs/promises";

/** The part of Deno that locks files. */
interface DenoFiles {
  open(
    path: string,
    options: { append: boolean },
  ): Promise<{ tryLock?(exclusive: boolean): Promise<boolean>; close(): void }>;
}

/** What flock(1) says when somebody else has the lock. */
const TAKEN_STATUS = 1;

/** A lock that was taken. */
export interface FileLock {
  /** Gives it back. Closing the file comes first. */
  release(): void;
}

/**
 * Takes the lock of flock(2) on a file, which the system takes back when the program ends, however that ends. Gives nothing
 * when another program has it. Where files cannot be locked, nobody has a lock.
 */
export async function lockFile(file: FileHandle, path: string): Promise<FileLock | undefined> {
  const { Deno: deno } = globalThis as { Deno?: DenoFiles };
  if (deno) {
    const own = await deno.open(path, { append: true });
    if (await own.tryLock?.(true).catch(() => true) !== false) return { release: () => own.close() };
    own.close();
    return undefined;
  }
  // Node and Bun have no way to lock a file, but a lock belongs to what the descriptor stands for, whoever has asked for it.
  const status = await new Promise((resolve) => {
    const child = spawn("flock", ["-n", "0"], { stdio: [file.fd, "ignore", "ignore"] });
    child.once("error", resolve).once("exit", resolve);
  });
  return status === TAKEN_STATUS ? undefined : { release: () => {} };
}
