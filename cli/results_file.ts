import { type FileHandle, open } from "node:fs/promises";
import { excerpt } from "../internal/excerpt.ts";
import type { ByteSink } from "../jsonl.ts";
import { systemCode, systemReason } from "../internal/system_error.ts";
import { writeAll, writeAllSync } from "../internal/write_all.ts";
import { ClosedOutputError } from "./io.ts";
import type { ResultsEnd } from "./journal_file.ts";

const LF = 0x0a;

/** A file of results. It always ends with a whole line, also after a write that failed. */
export class ResultsFile implements ByteSink {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #isRegular: boolean;
  #size = 0;

  private constructor(path: string, file: FileHandle, isRegular: boolean) {
    this.#path = path;
    this.#file = file;
    this.#isRegular = isRegular;
  }

  /**
   * Opens a file that is new or empty: results that are there already may have taken a night. With `end` it is the file of
   * a run that is resumed, and its last line is made whole.
   */
  static async open(path: string, end?: ResultsEnd): Promise<ResultsFile> {
    try {
      const file = await open(path, "a");
      const status = await file.stat();
      const results = new ResultsFile(path, file, status.isFile());
      if (end) return await results.#goOnAfter(end);
      if (!status.isFile() || status.size === 0) return results;
      await file.close();
    } catch (error) {
      throw new Error(`Cannot write results to ${excerpt(path)}: ${systemReason(error)}`, { cause: error });
    }
    throw new Error(
      `Cannot write results to ${excerpt(path)}: it is not empty; go on with --resume, remove it or name another file`,
    );
  }

  /** Where output goes that is too large for a line; `undefined` leaves that open, as for a pipe or a device. */
  get spillDir(): string | undefined {
    return this.#isRegular ? `${this.#path}.output` : undefined;
  }

  /** Writes whole lines. */
  async write(lines: Uint8Array): Promise<void> {
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

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #goOnAfter({ wholeBytes, tornBytes, lacksNewline }: ResultsEnd): Promise<this> {
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
