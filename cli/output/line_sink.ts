import { Buffer } from "node:buffer";
import type { TaskOutput } from "../../pool/task_output.ts";
import { concatenate } from "../../text/concatenate.ts";
import type { OrderedOutput, StreamName } from "./ordered_output.ts";
import type { ResultSink } from "./result_sink.ts";
import { tagBreaks, type TagOf } from "./tag.ts";

/**
 * The longest wait of other tasks for the end of a long line, which may never come: a progress meter writes no newlines, and
 * a task may wait for a task whose output waits.
 */
const MAX_WAIT_MS = 10_000;

const NEWLINE = 0x0a;
const LINE_END = Uint8Array.of(NEWLINE);
const NOTHING = new Uint8Array();
const ignore = () => {};

/** An output that waits, and the promise of its task. */
interface HeldOutput {
  readonly output: TaskOutput;
  readonly taken: PromiseWithResolvers<void>;
}

/**
 * Writes the lines of tasks while the tasks run. A line is written as a whole: while the parts of a long line arrive, the
 * output of the other tasks waits, but at most for ten seconds. Then the long line is broken. The other stream of the task does
 * not wait, because a task cannot end its line while it is blocked. A last line without a newline gets one.
 */
export class LineSink implements ResultSink {
  readonly #output: OrderedOutput;
  readonly #tagOf: TagOf | undefined;
  /** The task whose line continues, and the streams with such a line. */
  #unfinished: { readonly slot: number; readonly streams: Set<StreamName> } | undefined;
  /** The outputs of other tasks that wait for the end of that line. */
  readonly #held: HeldOutput[] = [];
  /** Runs while outputs are held. */
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(output: OrderedOutput, tagOf: TagOf | undefined) {
    this.#output = output;
    this.#tagOf = tagOf;
  }

  /**
   * Takes whole lines, or a part of a long line. Returns a promise when further output of the task has to wait.
   *
   * @throws the error of a standard stream.
   */
  readonly take = (output: TaskOutput): Promise<void> | undefined => {
    if (!this.#mustWait(output)) return this.#write(output);
    const taken = Promise.withResolvers<void>();
    this.#held.push({ output, taken });
    this.#timer ??= setTimeout(() => this.#breakLine(), MAX_WAIT_MS);
    return taken.promise;
  };

  /** Makes the next result wait while much output is queued. The lines of the task are already written. */
  write(): Promise<void> | undefined {
    return this.#output.write("stdout", "");
  }

  async flush(): Promise<void> {
    await this.#output.flush();
  }

  #mustWait({ slot }: TaskOutput): boolean {
    return this.#unfinished !== undefined && this.#unfinished.slot !== slot;
  }

  #write(output: TaskOutput): Promise<void> | undefined {
    const { slot, stream, continues } = output;
    const streams = this.#unfinished?.streams ?? new Set();
    const bytes = this.#bytesOf(output, streams.has(stream));
    if (continues) streams.add(stream);
    else streams.delete(stream);
    this.#unfinished = undefined;
    try {
      const wait = this.#output.write(stream, bytes);
      if (streams.size > 0) this.#unfinished = { slot, streams };
      return wait;
    } finally {
      if (!this.#unfinished) this.#release();
    }
  }

  /** Ends the long line although its task has not. Further parts are a line of their own. */
  #breakLine(): void {
    try {
      for (const stream of this.#unfinished!.streams) this.#output.write(stream, LINE_END)?.catch(ignore);
    } catch {
      // Every later write gets the error, too, beginning with that of the held outputs.
    }
    this.#unfinished = undefined;
    this.#release();
  }

  /** Writes the outputs that have waited. One of them may be the beginning of a long line, for which others wait again. */
  #release(): void {
    if (this.#held.length === 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const held of this.#held.splice(0)) {
      if (this.#mustWait(held.output)) this.#held.push(held);
      else {
        try {
          held.taken.resolve(this.#write(held.output));
        } catch (error) {
          held.taken.reject(error);
        }
      }
    }
    if (this.#held.length > 0) this.#timer ??= setTimeout(() => this.#breakLine(), MAX_WAIT_MS);
  }

  #bytesOf({ id, stream, bytes, continues }: TaskOutput, isContinuation: boolean): Uint8Array {
    const end = continues || bytes.at(-1) === NEWLINE ? NOTHING : LINE_END;
    const tag = this.#tagOf?.(id, stream);
    if (tag === undefined) return end === NOTHING ? bytes : concatenate([bytes, end]);
    return concatenate([isContinuation ? NOTHING : Buffer.from(tag), tagBreaks(bytes, tag), end]);
  }
}
