import { mkdirSync, rmdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { isPermitted } from "../../system/deno_permissions.ts";
import { freeMemoryBytes } from "../../system/free_memory.ts";
import { privateDirectoryName, temporaryDirectory } from "../../system/temporary_directory.ts";

/** A file system in memory, which nearly every Linux has. */
const MEMORY_DIRECTORY = "/dev/shm";

/** Less than this in memory is left to others: in a container it is often 64 MiB, and a task that fills it fails. */
const ROOM_BYTES = 1024 ** 3;

/** With less than this on a disk, what runs would soon find it full. */
const DISK_ROOM_BYTES = 64 * 1024 ** 2;

/** With less than this free, something may have been too large to be written: a file system keeps some space for itself. */
const FULL_BYTES = 1024 ** 2;

/** How long a look at the free space is good for when there is much. Nothing writes so fast that it is gone by then. */
const LOOK_MS = 20;

/** A directory to make others in. */
export interface Place {
  path: string;
  /** The free space that there should be. */
  wantedBytes: number;
  /** How much more there should be for each worker that has its directory here. */
  workerBytes: number;
  /** What limits the space besides the size of the place. */
  freeBytes: () => number;
  /** What counts as the free space where it cannot be seen. */
  unseenBytes: number;
}

/**
 * Where shell workers keep the output of what runs: in memory while there is room, else in the system's directory for
 * temporary files. The directories are private and are removed at the end.
 */
export class ScratchDirectory {
  /** By the directory they are in, in the order of preference. */
  readonly #roots: Root[];

  /**
   * @param prefix what the name of the directory that has them all begins with.
   * @param places where to make it, the best first. Where there is less room than wanted is passed over.
   */
  constructor(prefix: string | undefined, places: readonly Place[]) {
    const [name, triedName] = [privateDirectoryName(prefix), privateDirectoryName(prefix)];
    this.#roots = places.map((place) => new Root(place, name, triedName));
  }

  /**
   * Finds a place for the directory of one worker.
   *
   * @throws when there is none.
   */
  plan(): WorkerDirectory {
    const root = this.#roots.find((root) => root.hasRoomFor(root.workers + 1) && root.isWritable());
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
  readonly #root: Root;
  #pid = 0;
  #isRemoved = false;

  constructor(root: Root) {
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
  get hasRoom(): boolean {
    return this.#root.hasRoomFor(this.#root.workers);
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

class Root {
  readonly path: string;
  /** How many workers have their directory here. */
  workers = 0;
  readonly #triedPath: string;
  readonly #place: Place;
  #isMade = false;
  /** On the disk, or whatever it is. */
  #freeBytes = 0;
  /** What of it can be used. */
  #roomBytes = 0;
  #lookedAtMs = -Infinity;

  constructor(place: Place, name: string, triedName: string) {
    this.#place = place;
    this.path = join(place.path, name);
    this.#triedPath = join(place.path, triedName);
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
      mkdirSync(this.#triedPath, { mode: 0o700 });
      rmdirSync(this.#triedPath);
      return true;
    } catch {
      return false;
    }
  }

  hasRoomFor(workers: number): boolean {
    const { wantedBytes, workerBytes } = this.#place;
    this.#look();
    return this.#roomBytes >= wantedBytes + workers * workerBytes;
  }

  isFull(): boolean {
    this.#look();
    return this.#freeBytes < FULL_BYTES;
  }

  #look(): void {
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs < LOOK_MS && this.#roomBytes > ROOM_BYTES / 2) return;
    this.#lookedAtMs = nowMs;
    const { path, unseenBytes, freeBytes } = this.#place;
    this.#freeBytes = this.#roomBytes = unseenBytes;
    try {
      if (!isPermitted({ name: "sys", kind: "statfs" })) return;
      const { bavail, bsize } = statfsSync(path);
      this.#freeBytes = bavail * bsize;
      this.#roomBytes = Math.min(this.#freeBytes, freeBytes());
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
export function scratchPlaces(maxOutputBytes: number): Place[] {
  const memory = { wantedBytes: ROOM_BYTES, workerBytes: maxOutputBytes, freeBytes: freeMemoryBytes, unseenBytes: 0 };
  const disk = { wantedBytes: DISK_ROOM_BYTES, workerBytes: 0, freeBytes: () => Infinity, unseenBytes: Infinity };
  const places = [{ path: MEMORY_DIRECTORY, ...memory }, { path: temporaryDirectory(), ...disk }];
  return places.filter(({ path }) => isPermitted({ name: "read", path }, { name: "write", path }));
}
