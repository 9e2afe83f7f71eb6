import { Buffer } from "node:buffer";
import type { TaskResult } from "../../records/result.ts";
import type { OrderedOutput, StreamName } from "./ordered_output.ts";
import type { ResultSink } from "./result_sink.ts";
import { hasSpillFile, readSpillFile } from "./spill_files.ts";
import { lazyTextsOf } from "../../text/lazy_text.ts";
import { ByteLineTagger, LineTagger, type TagOf } from "./tag.ts";

/**
 * Writes the outputs of each task when the task has ended: its standard output to standard output, then its standard error
 * to standard error, byte for byte. With tags, each line begins with the tag, and the last line ends with a newline.
 */
export class TextSink implements ResultSink {
  readonly #output: OrderedOutput;
  readonly #tagOf: TagOf | undefined;

  constructor(output: OrderedOutput, tagOf: TagOf | undefined) {
    this.#output = output;
    this.#tagOf = tagOf;
  }

  write(result: TaskResult): Promise<void> | undefined {
    if (hasSpillFile(result)) return this.#writeInOrder(result);
    return waitForBoth(this.#writeInline(result, "stdout"), this.#writeInline(result, "stderr"));
  }

  flush(): Promise<void> {
    return this.#output.flush();
  }

  async #writeInOrder(result: TaskResult): Promise<void> {
    for (const stream of ["stdout", "stderr"] as const) {
      const path = result[`${stream}File`];
      if (path === undefined) await this.#writeInline(result, stream);
      else await this.#writeFile(path, result.id, stream);
    }
  }

  #writeInline(result: TaskResult, stream: StreamName): Promise<void> | undefined {
    const lazyText = lazyTextsOf(result)?.[stream];
    if (lazyText && !this.#tagOf) return this.#output.write(stream, lazyText);
    if (lazyText) return this.#writeBytes(lazyText.bytes, result.id, stream);
    const text = result[stream];
    if (text === "") return undefined;
    if (result[`${stream}Encoding`] !== undefined) {
      return this.#writeBytes(Buffer.from(text, "base64"), result.id, stream);
    }
    if (!this.#tagOf) return this.#output.write(stream, text);
    const tagger = new LineTagger(this.#tagOf(result.id, stream));
    return this.#output.write(stream, tagger.add(text) + tagger.end());
  }

  #writeBytes(bytes: Uint8Array, id: string, stream: StreamName): Promise<void> | undefined {
    if (!this.#tagOf) return this.#output.write(stream, bytes);
    const tagger = new ByteLineTagger(this.#tagOf(id, stream));
    return this.#output.write(stream, Buffer.concat([tagger.add(bytes), tagger.end()]));
  }

  async #writeFile(path: string, id: string, stream: StreamName): Promise<void> {
    const tagger = this.#tagOf && new ByteLineTagger(this.#tagOf(id, stream));
    for await (const chunk of readSpillFile(path)) {
      await this.#output.write(stream, tagger ? tagger.add(chunk) : chunk);
      await this.#output.flush(); // the chunk is valid only until the next one
    }
    if (tagger) await this.#output.write(stream, tagger.end());
  }
}

function waitForBoth(
  one: Promise<void> | undefined,
  other: Promise<void> | undefined,
): Promise<void> | undefined {
  return one && other ? Promise.all([one, other]).then(() => {}) : one ?? other;
}
