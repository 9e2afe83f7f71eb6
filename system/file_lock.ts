import { spawn } from "node:child_process";
import type { FileHandle } from "node:fs/promises";

/** The members of Deno's API that lock files. */
interface DenoFiles {
  open(
    path: string,
    options: { append: boolean },
  ): Promise<{ tryLock?(exclusive: boolean): Promise<boolean>; close(): void }>;
}

/**
 * Programs that lock their standard input with flock(2), in order of preference: macOS has no flock(1). Each exits with
 * 0 when it holds the lock, and with 1 when another program holds it.
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

/** The result of an attempt to lock a file that no other program has locked. */
export interface FileLock {
  /** The reason why the file could not be locked; `undefined` when it is locked. */
  readonly problem: string | undefined;
  /** Releases the lock. Close the file first. */
  release(): void;
}

/**
 * Locks a file with flock(2). The system releases the lock when the program ends, even by SIGKILL.
 *
 * @returns `undefined` if another program holds the lock. Where locking is unavailable, {@linkcode FileLock.problem}
 * has the reason.
 */
export async function lockFile(file: FileHandle, path: string): Promise<FileLock | undefined> {
  const { Deno: deno } = globalThis as { Deno?: DenoFiles };
  if (deno) {
    const own = await deno.open(path, { append: true });
    const isHeld = await own.tryLock?.(true).catch(() => undefined);
    if (isHeld !== false) return { problem: isHeld ? undefined : UNSUPPORTED, release: () => own.close() };
    own.close();
    return undefined;
  }
  // Node and Bun cannot lock files. A flock(2) lock belongs to the open file description, so a child that inherits the
  // descriptor can take the lock for this process.
  for (const locker of LOCKERS) {
    const status = await exitStatusOf(locker, file.fd);
    if (status === TAKEN_STATUS) return undefined;
    if (status !== undefined) return { problem: status === HELD_STATUS ? undefined : UNSUPPORTED, release: () => {} };
  }
  return { problem: `none of ${LOCKERS.map(([program]) => program).join(", ")} is installed`, release: () => {} };
}

const UNSUPPORTED = "the file system does not support locks";

/** The least exit status of a program that could not start another one, as wrappers such as those of pyenv do. */
const NOT_STARTED_STATUS = 126;

/** Returns the exit status of a program, or `undefined` if it cannot be started. */
function exitStatusOf([program, ...args]: typeof LOCKERS[number], stdin: number): Promise<number | null | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: [stdin, "ignore", "ignore"] });
    child.once("error", () => resolve(undefined)).once("exit", (status) => {
      resolve(status !== null && status >= NOT_STARTED_STATUS ? undefined : status);
    });
  });
}
