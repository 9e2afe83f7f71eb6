import { fstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { excerpt } from "../text/excerpt.ts";
import { type FileLock, lockFile } from "../system/file_lock.ts";
import { openForAppending } from "../system/special_file.ts";
import type { ByteSink } from "../jsonl/mod.ts";
import { systemCode, systemReason } from "../system/system_error.ts";
import { writeAll, writeAllSync } from "../system/write_all.ts";
import { ClosedOutputError } from "./io.ts";
import type { ResultsEnd } from "./results_end.ts";

const LF = 0x0a;

/** A file of results. It always ends with a whole line, also after a write that failed. */
export class ResultsFile implements ByteSink {
  readonly #path: string;
  readonly #file: FileHandle;
  /** Regular files have one. */
  readonly #lock: FileLock | undefined;
  #size = 0;
  /** Some file systems do not count names. */
  #hadName = false;

  private constructor(path: string, file: FileHandle, lock: FileLock | undefined) {
    this.#path = path;
    this.#file = file;
    this.#lock = lock;
  }

  /**
   * Opens a file that is new or empty: results that are there already may have taken a night. With `end` it is the file of
   * a run that is resumed, and its last line is made whole.
   */
  static async open(path: string, signal: AbortSignal, end?: ResultsEnd): Promise<ResultsFile> {
    let toClose: FileHandle | ResultsFile | undefined;
    try {
      const file = toClose = await openForAppending(path, signal);
      if (!(await file.stat()).isFile()) return new ResultsFile(path, file, undefined);
      const lock = await lockFile(file, path);
      if (!lock) throw new Error("another run is writing to it");
      const results = toClose = new ResultsFile(path, file, lock);
      const { size, nlink } = await file.stat();
      results.#hadName = nlink > 0;
      if (end) return await results.#goOnAfter(end, size);
      if (size > 0) throw new Error("it is not empty; go on with --resume, remove it or name another file");
      return results;
    } catch (error) {
      await toClose?.close();
      throw new Error(`Cannot write results to ${excerpt(path)}: ${systemReason(error)}`, { cause: error });
    }
  }

  get #isRegular(): boolean {
    return this.#lock !== undefined;
  }

  /** Why another run would not notice that this one writes to the file, where it would not. */
  get lockProblem(): string | undefined {
    return this.#lock?.problem;
  }

  /** Where output goes that is too large for a line; `undefined` leaves that open, as for a pipe or a device. */
  get spillDir(): string | undefined {
    return this.#isRegular ? `${this.#path}.output` : undefined;
  }

  /** Writes whole lines. */
  async write(lines: Uint8Array): Promise<void> {
    this.check();
    try {
      if (this.#isRegular) writeAllSync(this.#file, lines);
      else await writeAll(this.#file, lines);
      this.#size += lines.length;
    } catch (error) {
      if (systemCode(error) === "EPIPE") throw new ClosedOutputError();
      if (this.#isRegular) await this.#removeTornLine(lines);
      throw new Error(`Cannot write results to ${excerpt(this.#path)}: ${systemReason(error)}`, { cause: error });
    }
  }

  /**
   * Nothing is to be written where nobody will find it, or after half of a line. A file that was renamed is still there.
   *
   * @throws when the file was removed, replaced or changed by somebody else.
   */
  check(): void {
    if (!this.#isRegular) return;
    const { nlink, size } = fstatSync(this.#file.fd);
    const isGone = nlink === 0 && this.#hadName;
    if (!isGone && size === this.#size) return;
    const what = isGone ? "was removed or replaced" : "was changed by another program";
    throw new Error(`Cannot write results to ${excerpt(this.#path)}: the file ${what} while the run wrote to it`);
  }

  async close(): Promise<void> {
    await this.#file.close();
    this.#lock?.release();
  }

  async #goOnAfter({ wholeBytes, tornBytes, lacksNewline }: ResultsEnd, size: number): Promise<this> {
    if (size !== wholeBytes + tornBytes) throw new Error("another run has written to it meanwhile");
    if (tornBytes > 0) await this.#file.truncate(wholeBytes);
    this.#size = wholeBytes;
    if (lacksNewline) await this.write(new Uint8Array([LF]));
    return this;
  }

  /** As after a disk is full: some of the lines were written, and perhaps a part of one more. */
  async #removeTornLine(lines: Uint8Array): Promise<void> {
    const written = (await this.#file.stat()).size - this.#size;
    const whole = lines.subarray(0, written).lastIndexOf(LF) + 1;
    await this.#file.truncate(this.#size + whole);
  }
}
