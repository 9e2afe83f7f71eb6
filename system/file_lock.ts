import { spawn } from "node:child_process";
import type { FileHandle } from "node:fs/promises";

/** The part of Deno that locks files. */
interface DenoFiles {
  open(
    path: string,
    options: { append: boolean },
  ): Promise<{ tryLock?(exclusive: boolean): Promise<boolean>; close(): void }>;
}

/**
 * Programs that take the lock of flock(2) on their standard input, the first that exists: macOS has no flock(1). All of
 * them end with 0 when they have it, and with 1 when another program does.
 */
const LOCKERS: readonly (readonly [program: string, ...args: string[]])[] = [
  ["flock", "-n", "0"],
  ["perl", "-MErrno=EWOULDBLOCK", "-e", "exit(flock(STDIN, 2 | 4) ? 0 : $! == EWOULDBLOCK ? 1 : 2)"],
  [
    "python3",
    "-c",
    "import fcntl, sys\ntry: fcntl.flock(0, 2 | 4)\nexcept BlockingIOError: sys.exit(1)\nexcept OSError: sys.exit(2)",
  ],
];
const HELD_STATUS = 0;
const TAKEN_STATUS = 1;

/** A lock that was taken, or could not be. */
export interface FileLock {
  /** Why nobody has a lock on the file, where it cannot be locked. */
  readonly problem: string | undefined;
  /** Gives it back. Closing the file comes first. */
  release(): void;
}

/**
 * Takes the lock of flock(2) on a file, which the system takes back when the program ends, however that ends. Gives nothing
 * when another program has it. Where files cannot be locked nobody has a lock, and it says so.
 */
export async function lockFile(file: FileHandle, path: string): Promise<FileLock | undefined> {
  const { Deno: deno } = globalThis as { Deno?: DenoFiles };
  if (deno) {
    const own = await deno.open(path, { append: true });
    const isHeld = await own.tryLock?.(true).catch(() => undefined);
    if (isHeld !== false) return { problem: isHeld ? undefined : CANNOT, release: () => own.close() };
    own.close();
    return undefined;
  }
  // Node and Bun have no way to lock a file, but a lock belongs to what the descriptor stands for, whoever has asked for it.
  for (const locker of LOCKERS) {
    const status = await statusOf(locker, file.fd);
    if (status === TAKEN_STATUS) return undefined;
    if (status !== undefined) return { problem: status === HELD_STATUS ? undefined : CANNOT, release: () => {} };
  }
  return { problem: `none of ${LOCKERS.map(([program]) => program).join(", ")} is installed`, release: () => {} };
}

const CANNOT = "the file system has no locks";

/** The exit status of a program; `undefined` when it cannot be started. */
function statusOf([program, ...args]: typeof LOCKERS[number], stdin: number): Promise<number | null | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: [stdin, "ignore", "ignore"] });
    child.once("error", () => resolve(undefined)).once("exit", resolve);
  });
}
