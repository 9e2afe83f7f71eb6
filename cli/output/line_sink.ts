import { Buffer } from "node:buffer";
import type { TaskOutput } from "../../pool/task_output.ts";
import { concatenate } from "../../text/concatenate.ts";
import type { OrderedOutput, StreamName } from "./ordered_output.ts";
import type { ResultSink } from "./result_sink.ts";
import { tagBreaks, type TagOf } from "./tag.ts";

const NEWLINE = 0x0a;
const LINE_END = Uint8Array.of(NEWLINE);
const NOTHING = new Uint8Array();

/** An output that waits, and the promise of its task. */
interface HeldOutput {
  readonly output: TaskOutput;
  readonly taken: PromiseWithResolvers<void>;
}

/**
 * Writes the lines of tasks while the tasks run. A line is written as a whole: while the parts of a long line arrive, the
 * output of the other tasks waits. The other stream of the task does not, because a task cannot end its line while it is
 * blocked. A last line without a newline gets one.
 */
export class LineSink implements ResultSink {
  readonly #output: OrderedOutput;
  readonly #tagOf: TagOf | undefined;
  /** The task whose line continues, and the streams with such a line. */
  #unfinished: { readonly slot: number; readonly streams: Set<StreamName> } | undefined;
  /** The outputs of other tasks that wait for the end of that line. */
  readonly #held: HeldOutput[] = [];

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

  /** Writes the outputs that have waited. One of them may be the beginning of a long line, for which others wait again. */
  #release(): void {
    if (this.#held.length === 0) return;
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
  }

  #bytesOf({ id, stream, bytes, continues }: TaskOutput, isContinuation: boolean): Uint8Array {
    const end = continues || bytes.at(-1) === NEWLINE ? NOTHING : LINE_END;
    const tag = this.#tagOf?.(id, stream);
    if (tag === undefined) return end === NOTHING ? bytes : concatenate([bytes, end]);
    return concatenate([isContinuation ? NOTHING : Buffer.from(tag), tagBreaks(bytes, tag), end]);
  }
}
