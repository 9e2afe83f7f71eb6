import { mayLoseDigits, parseExactly } from "../jsonl/exact_numbers.ts";
import { checkMessage, type Message } from "./protocol.ts";
import { verifyFrames } from "./signed_frames.ts";

/** Reads the messages of a {@linkcode MessageWriter}. */
export class MessageReader {
  readonly #frames: AsyncGenerator<Uint8Array, void>;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  /** The lines of one frame, the next one last. */
  #lines: string[] = [];

  /** @param key The key that signs the frames. */
  constructor(source: AsyncIterable<Uint8Array>, key: string) {
    this.#frames = verifyFrames(source, key);
  }

  /** True when the next message has arrived. */
  get hasMessage(): boolean {
    return this.#lines.length > 0;
  }

  /**
   * Returns the next message that has arrived; `undefined` if none has.
   *
   * @throws `TypeError` when the line is not a message.
   */
  take(): Message | undefined {
    const line = this.#lines.pop();
    return line === undefined ? undefined : parseMessage(line);
  }

  /**
   * Waits for the next message. Returns `undefined` at the end of the source.
   *
   * @throws {InvalidFrameError} when another process has written to the source.
   * @throws `TypeError` when the line is not a message.
   */
  async read(): Promise<Message | undefined> {
    while (this.#lines.length === 0) {
      const { done, value } = await this.#frames.next();
      if (done) return undefined;
      // The newline at the end of a frame leaves an empty string behind.
      this.#lines = this.#decoder.decode(value).split("\n").reverse().slice(1);
    }
    return this.take();
  }
}

function parseMessage(line: string): Message {
  const [name, content] = checkMessage(JSON.parse(line));
  // Only `meta` can have numbers with more digits than JavaScript holds.
  const hasMeta = (name === "result" || name === "halted") && content.meta !== undefined;
  return hasMeta && mayLoseDigits(line) ? parseExactly(line) as Message : [name, content] as Message;
}
