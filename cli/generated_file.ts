import { Buffer } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import { excerpt } from "../text/excerpt.ts";
import { type FileLock, lockFile } from "../system/file_lock.ts";
import { openForAppending } from "../system/special_file.ts";
import { systemReason } from "../system/system_error.ts";
import { writeAll } from "../system/write_all.ts";
import type { Io } from "./io.ts";

/** A kind of generated file. */
interface Kind {
  /** The name with an article, such as `a trace`. */
  name: string;
  /** The text that all files of the kind begin with. */
  begin: string;
}

/** A file generated from results, or standard output. */
export class GeneratedFile {
  readonly #path: string;
  readonly #file: FileHandle | undefined;
  readonly #lock: FileLock | undefined;
  readonly #io: Io;

  private constructor(path: string, file: FileHandle | undefined, lock: FileLock | undefined, io: Io) {
    this.#path = path;
    this.#file = file;
    this.#lock = lock;
    this.#io = io;
  }

  /**
   * Opens a file, calls a function that writes the file, and closes the file. Overwrites only a file of the same kind, so
   * that a mistaken path does not destroy results.
   *
   * @param path the path of the file; undefined or `-` for standard output.
   */
  static async with(
    path: string | undefined,
    kind: Kind,
    io: Io,
    write: (file: GeneratedFile) => Promise<void>,
  ): Promise<void> {
    const file = await GeneratedFile.#open(path, kind, io);
    try {
      await write(file);
    } finally {
      await file.#close();
    }
  }

  static async #open(path: string | undefined, kind: Kind, io: Io): Promise<GeneratedFile> {
    if (path === undefined || path === "-") return new GeneratedFile("", undefined, undefined, io);
    let file: FileHandle | undefined;
    try {
      file = await openForAppending(path, io.signal);
      const { size } = await file.stat().then((status) => status.isFile() ? status : { size: undefined });
      if (size === undefined) return new GeneratedFile(path, file, undefined, io);
      const lock = await lockFile(file, path); // an empty file may belong to a run without results so far
      if (!lock) throw new Error("a run is writing to it");
      if (lock.problem) await io.stderr(`taskrunner: ${path}: the file is not locked, because ${lock.problem}`);
      if (!kind.begin.startsWith(await beginOf(path, kind.begin.length))) {
        throw new Error(`it exists and is not ${kind.name}`);
      }
      await file.truncate(0);
      return new GeneratedFile(path, file, lock, io);
    } catch (error) {
      await file?.close();
      throw new Error(`Cannot write to ${excerpt(path)}: ${systemReason(error)}`, { cause: error });
    }
  }

  /** Writes text. */
  async write(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    if (!this.#file) return await this.#io.stdout.write(bytes);
    try {
      await writeAll(this.#file, bytes);
    } catch (error) {
      throw new Error(`Cannot write to ${excerpt(this.#path)}: ${systemReason(error)}`, { cause: error });
    }
  }

  async #close(): Promise<void> {
    await this.#file?.close();
    this.#lock?.release();
  }
}

async function beginOf(path: string, length: number): Promise<string> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}
