import { mkdirSync, rmdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { isPermitted } from "../../system/deno_permissions.ts";
import { freeMemoryBytes } from "../../system/free_memory.ts";
import { privateDirectoryName, temporaryDirectory } from "../../system/temporary_directory.ts";

/** A file system in memory, which nearly every Linux has. */
const MEMORY_DIRECTORY = "/dev/shm";

/** Less than this in memory is left to others: in a container it is often 64 MiB, and a task that fills it fails. */
const MIN_FREE_MEMORY_BYTES = 1024 ** 3;

/** With less than this on a disk, what runs would soon find it full. */
const MIN_FREE_DISK_BYTES = 64 * 1024 ** 2;

/** With less than this free, something may have been too large to be written: a file system keeps some space for itself. */
const FULL_BYTES = 1024 ** 2;

/** How long a look at the free space is good for when there is much. Nothing writes so fast that it is gone by then. */
const MAX_AGE_MS = 20;

/** A directory to make others in. */
export interface ScratchLocation {
  path: string;
  /** The free space that there should be. */
  minFreeBytes: number;
  /** How much more there should be for each worker that has its directory here. */
  bytesPerWorker: number;
  /** What limits the space besides the size of the location. */
  freeBytes: () => number;
  /** What counts as the free space where it cannot be seen. */
  unknownFreeBytes: number;
}

/**
 * Where shell workers keep the output of what runs: in memory while there is room, else in the system's directory for
 * temporary files. The directories are private and are removed at the end.
 */
export class ScratchDirectory {
  /** By the directory they are in, in the order of preference. */
  readonly #roots: ScratchRoot[];

  /**
   * @param prefix what the name of the directory that has them all begins with.
   * @param locations where to make it, the best first. Where there is less room than wanted is passed over.
   */
  constructor(prefix: string | undefined, locations: readonly ScratchLocation[]) {
    const [name, probeName] = [privateDirectoryName(prefix), privateDirectoryName(prefix)];
    this.#roots = locations.map((location) => new ScratchRoot(location, name, probeName));
  }

  /**
   * Finds a place for the directory of one worker.
   *
   * @throws when there is none.
   */
  reserve(): WorkerDirectory {
    const root = this.#roots.find((root) => root.hasSpaceFor(root.workers + 1) && root.isWritable());
    if (!root) throw new Error("There is no place for temporary files");
    root.workers++;
    return new WorkerDirectory(root);
  }

  /** Removes all of them. */
  close(): void {
    for (const root of this.#roots) root.remove();
  }
}

/** A directory of one worker, which is not there before it is made. */
export class WorkerDirectory {
  readonly #root: ScratchRoot;
  #pid = 0;
  #isRemoved = false;

  constructor(root: ScratchRoot) {
    this.#root = root;
  }

  /** Gives it the name by which other workers see whether its own is gone. */
  nameAfter(pid: number): void {
    this.#pid = pid;
  }

  get path(): string {
    return join(this.parent, `${this.#pid}`);
  }

  /** The directory it is in, which is empty when the last worker has gone. */
  get parent(): string {
    return this.#root.path;
  }

  /** Whether there is as much room as there should be. */
  get hasSpace(): boolean {
    return this.#root.hasSpaceFor(this.#root.workers);
  }

  /** Whether there is next to no room, so that output may have been lost. */
  get isFull(): boolean {
    return this.#root.isFull();
  }

  make(): void {
    this.#root.make();
    mkdirSync(this.path, { mode: 0o700 });
  }

  /** Removes it, made or not. */
  remove(): void {
    if (!this.#isRemoved) this.#root.workers--;
    this.#isRemoved = true;
    try {
      rmdirSync(this.path); // it is empty, unless something is left in the background that prints
    } catch {
      rmSync(this.path, { recursive: true, force: true });
    }
  }
}

class ScratchRoot {
  readonly path: string;
  /** How many workers have their directory here. */
  workers = 0;
  readonly #probePath: string;
  readonly #location: ScratchLocation;
  #isMade = false;
  /** On the disk, or whatever it is. */
  #freeBytes = 0;
  /** What of it can be used. */
  #usableBytes = 0;
  #measuredAtMs = -Infinity;

  constructor(location: ScratchLocation, name: string, probeName: string) {
    this.#location = location;
    this.path = join(location.path, name);
    this.#probePath = join(location.path, probeName);
  }

  make(): void {
    if (!this.#isMade) mkdirSync(this.path, { mode: 0o700 });
    this.#isMade = true;
  }

  remove(): void {
    if (this.#isMade) rmSync(this.path, { recursive: true, force: true });
  }

  /** Found out by trying, which says more than any permission; by another name, as others may see it and take it. */
  isWritable(): boolean {
    if (this.#isMade) return true;
    try {
      mkdirSync(this.#probePath, { mode: 0o700 });
      rmdirSync(this.#probePath);
      return true;
    } catch {
      return false;
    }
  }

  hasSpaceFor(workers: number): boolean {
    const { minFreeBytes, bytesPerWorker } = this.#location;
    this.#measure();
    return this.#usableBytes >= minFreeBytes + workers * bytesPerWorker;
  }

  isFull(): boolean {
    this.#measure();
    return this.#freeBytes < FULL_BYTES;
  }

  #measure(): void {
    const nowMs = performance.now();
    if (nowMs - this.#measuredAtMs < MAX_AGE_MS && this.#usableBytes > MIN_FREE_MEMORY_BYTES / 2) return;
    this.#measuredAtMs = nowMs;
    const { path, unknownFreeBytes, freeBytes } = this.#location;
    this.#freeBytes = this.#usableBytes = unknownFreeBytes;
    try {
      if (!isPermitted({ name: "sys", kind: "statfs" })) return;
      const { bavail, bsize } = statfsSync(path);
      this.#freeBytes = bavail * bsize;
      this.#usableBytes = Math.min(this.#freeBytes, freeBytes());
    } catch {
      // It stays unknown.
    }
  }
}

/**
 * Where scratch directories are made when nothing else is said: in memory, or with other temporary files. In memory only
 * those are that could print all they may and yet leave room, also below the limit of a container: who takes more memory
 * than there is, is killed.
 *
 * @param maxOutputBytes how much a task may print.
 */
export function scratchLocations(maxOutputBytes: number): ScratchLocation[] {
  const memory = {
    minFreeBytes: MIN_FREE_MEMORY_BYTES,
    bytesPerWorker: maxOutputBytes,
    freeBytes: freeMemoryBytes,
    unknownFreeBytes: 0,
  };
  const disk = {
    minFreeBytes: MIN_FREE_DISK_BYTES,
    bytesPerWorker: 0,
    freeBytes: () => Infinity,
    unknownFreeBytes: Infinity,
  };
  const locations = [{ path: MEMORY_DIRECTORY, ...memory }, { path: temporaryDirectory(), ...disk }];
  return locations.filter(({ path }) => isPermitted({ name: "read", path }, { name: "write", path }));
}
