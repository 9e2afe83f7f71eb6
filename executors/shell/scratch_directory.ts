import { mkdirSync, rmdirSync, rmSync, statfsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isPermitted } from "../../system/deno_permissions.ts";
import { freeMemoryBytes } from "../../system/free_memory.ts";
import { privateDirectoryName, temporaryDirectory } from "../../system/temporary_directory.ts";

/** A file system in memory, on nearly every Linux. */
const MEMORY_DIRECTORY = "/dev/shm";

/** The free space to keep in memory. Many containers have only 64 MiB there, which one task could fill. */
const MIN_FREE_MEMORY_BYTES = 1024 ** 3;

/** The free space that a disk must have. */
const MIN_FREE_DISK_BYTES = 64 * 1024 ** 2;

/** The free space below which a write may have failed: file systems reserve some blocks. */
const FULL_BYTES = 1024 ** 2;

/** Age up to which a measurement of free space is used, in milliseconds. */
const MAX_AGE_MS = 20;
/** The same for ample free space, which tasks cannot fill in this time. */
const MAX_AMPLE_AGE_MS = 100;
const AMPLE_BYTES = 8 * 1024 ** 3;

/** A directory in which scratch directories can be created. */
export interface ScratchLocation {
  path: string;
  /** The free space to keep, in bytes. */
  minFreeBytes: number;
  /** The additional free space for each worker, in bytes. */
  bytesPerWorker: number;
  /** Returns a limit besides the free space of the file system, such as the free memory. */
  freeBytes: () => number;
  /** The assumed free space where it cannot be measured, in bytes. */
  unknownFreeBytes: number;
}

/** Allocates private directories in which shell workers keep the output of running tasks. */
export class ScratchDirectory {
  /** The directories that hold those of the workers, in order of preference. */
  readonly #roots: ScratchRoot[];

  /**
   * @param prefix The prefix for the names of directories.
   * @param locations The locations to use, in order of preference. Those with too little free space are skipped.
   */
  constructor(prefix: string | undefined, locations: readonly ScratchLocation[]) {
    const [name, probeName] = [privateDirectoryName(prefix), privateDirectoryName(prefix)];
    this.#roots = locations.map((location) => new ScratchRoot(location, name, probeName));
  }

  /**
   * Chooses the location for the directory of one worker.
   *
   * @throws `Error` when no location is writable and has enough free space.
   */
  reserve(): WorkerDirectory {
    return this.#reserve(this.#roots);
  }

  /**
   * Chooses the location for a native program: preferably on disk, because containers mount shared memory
   * with noexec.
   *
   * @throws `Error` as {@linkcode reserve}.
   */
  reserveForProgram(): WorkerDirectory {
    return this.#reserve(this.#roots.toReversed());
  }

  #reserve(roots: readonly ScratchRoot[]): WorkerDirectory {
    const root = roots.find((root) => root.hasSpaceFor(root.workers + 1) && root.isWritable());
    if (!root) throw new Error("Cannot create a scratch directory: no location is writable and has enough free space");
    root.workers++;
    return new WorkerDirectory(root);
  }

  /** Removes all directories. */
  async close(): Promise<void> {
    await Promise.all(this.#roots.map((root) => root.remove()));
  }
}

/** The directory of one worker, which does not exist until {@linkcode make}. */
export class WorkerDirectory {
  readonly #root: ScratchRoot;
  #path: string;
  #isRemoved = false;

  constructor(root: ScratchRoot) {
    this.#root = root;
    this.#path = join(root.path, "0");
  }

  /** Sets the name to a pid, so that other workers can detect and remove the directory of a dead worker. */
  nameAfter(pid: number): void {
    this.#path = join(this.parent, `${pid}`);
  }

  get path(): string {
    return this.#path;
  }

  /** The directory that holds the directories of all workers. */
  get parent(): string {
    return this.#root.path;
  }

  /** True when the location has enough free space for its workers. */
  get hasSpace(): boolean {
    return this.#root.hasSpaceFor(this.#root.workers);
  }

  /** True when the file system is full, so that output may be missing. */
  get isFull(): boolean {
    return this.#root.isFull();
  }

  make(): void {
    this.#root.make();
    mkdirSync(this.path, { mode: 0o700 });
  }

  /** Removes the directory, if it exists, and releases its space. */
  remove(): void {
    if (!this.#isRemoved) this.#root.workers--;
    this.#isRemoved = true;
    try {
      rmdirSync(this.path); // fast when empty; background processes may leave files
    } catch {
      rmSync(this.path, { recursive: true, force: true });
    }
  }

  /** Removes the directory, and its parent if no other worker has a directory there. */
  removeWithParent(): void {
    this.remove();
    this.#root.removeUnused();
  }
}

/** A directory at one location, which holds the directories of workers. */
class ScratchRoot {
  readonly path: string;
  /** The number of workers with a directory here. */
  workers = 0;
  readonly #probePath: string;
  readonly #location: ScratchLocation;
  #isMade = false;
  /** True once a directory could be created here. */
  #isWritable = false;
  /** The free space of the file system. */
  #freeBytes = 0;
  /** The part of the free space within the limit of the location. */
  #usableBytes = 0;
  #measuredAtMs = -Infinity;

  constructor(location: ScratchLocation, name: string, probeName: string) {
    this.#location = location;
    this.path = join(location.path, name);
    this.#probePath = join(location.path, probeName);
  }

  make(): void {
    this.#isWritable = this.#isMade; // tried again after an error
    if (!this.#isMade) mkdirSync(this.path, { mode: 0o700 });
    this.#isWritable = this.#isMade = true;
  }

  /** Removes the directory if no worker has one here. */
  removeUnused(): void {
    if (this.workers > 0 || !this.#isMade) return;
    try {
      rmdirSync(this.path);
      this.#isMade = false;
    } catch {
      // A background process may have left files.
    }
  }

  /** Removes the directories of the workers concurrently: ext4 may take milliseconds for each, without using the CPU. */
  async remove(): Promise<void> {
    if (!this.#isMade) return;
    const names = await readdir(this.path).catch(() => []);
    const force = { recursive: true, force: true };
    await Promise.all(names.map((name) => rm(join(this.path, name), force)));
    await rm(this.path, force);
  }

  /** Returns whether a directory can be created here. Tries another name, so that no other user can take the real one. */
  isWritable(): boolean {
    if (this.#isWritable) return true;
    try {
      mkdirSync(this.#probePath, { mode: 0o700 });
      rmdirSync(this.#probePath);
      return this.#isWritable = true;
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
    const isAmple = this.#usableBytes > AMPLE_BYTES + this.workers * this.#location.bytesPerWorker;
    const maxAgeMs = isAmple ? MAX_AMPLE_AGE_MS : MAX_AGE_MS;
    if (nowMs - this.#measuredAtMs < maxAgeMs && this.#usableBytes > MIN_FREE_MEMORY_BYTES / 2) return;
    this.#measuredAtMs = nowMs;
    const { path, unknownFreeBytes, freeBytes } = this.#location;
    this.#freeBytes = this.#usableBytes = unknownFreeBytes;
    try {
      if (!isPermitted({ name: "sys", kind: "statfs" })) return;
      const { bavail, bsize } = statfsSync(path);
      this.#freeBytes = bavail * bsize;
      this.#usableBytes = Math.min(this.#freeBytes, freeBytes());
    } catch {
      // The fallback stays.
    }
  }
}

/**
 * Returns the locations for scratch directories: memory first, then the system's directory for temporary files. Memory is
 * used only while all tasks could print their maximum and leave some of it free, because the kernel kills programs that
 * exceed the memory of the system or of a container.
 *
 * @param maxOutputBytes The maximum number of bytes that a task prints to one output stream.
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
