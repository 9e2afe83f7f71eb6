import type { Progress } from "../pool/options.ts";
import type { Message } from "./protocol.ts";
import { FrameSigner } from "./signed_frames.ts";

/** The longest wait of a message for others, in milliseconds. */
const WAIT_MS = 10;

/** The number of buffered characters at which the caller should wait. */
const MAX_BUFFERED = 1024 * 1024;

/** Options of a {@linkcode MessageWriter}. */
export interface MessageWriterOptions {
  /** The key that signs the frames. */
  key: string;
  /** Returns the number of messages at which none of them waits any longer. */
  maxWaiting: () => number;
  /** Returns whether a message may wait for others, for a few milliseconds. */
  mayWait: () => boolean;
}

/**
 * Writes messages as lines of JSON, in signed frames. Messages that follow each other share a frame, because a frame costs
 * both processes more than a message.
 */
export class MessageWriter {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #signer: FrameSigner;
  readonly #options: MessageWriterOptions;
  readonly #encoder = new TextEncoder();
  #buffered = "";
  /** The number of buffered messages. */
  #waiting = 0;
  /** The progress to write next. */
  #progress: Progress | undefined;
  #check: ReturnType<typeof setImmediate> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Settles when all buffered messages are written; `undefined` when no write has begun. Never rejects. */
  #writing: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;

  /**
   * @param write Writes all of the bytes. Never called again before the previous call has settled.
   */
  constructor(write: (bytes: Uint8Array) => Promise<void>, options: MessageWriterOptions) {
    this.#write = write;
    this.#signer = new FrameSigner(options.key);
    this.#options = options;
  }

  /** True when so much is buffered that the caller should wait for {@linkcode flush}. */
  get isFull(): boolean {
    return this.#buffered.length >= MAX_BUFFERED;
  }

  /**
   * Adds a message.
   *
   * @throws the error of the first failed write.
   */
  add(...message: Message): void {
    if (this.#failure) throw this.#failure.error;
    this.#buffered += lineOf(...message);
    if (++this.#waiting < this.#options.maxWaiting() && !this.isFull) this.#beginSoon();
    else this.#begin();
  }

  /** Adds a message with the progress, which replaces an earlier progress that has not been written. */
  setProgress(progress: Progress): void {
    this.#progress = progress;
    this.#beginLater();
  }

  /**
   * Writes the buffered messages now, and waits until they are written.
   *
   * @throws the error of the first failed write.
   */
  async flush(): Promise<void> {
    this.#begin();
    await this.#writing;
    if (this.#failure) throw this.#failure.error;
  }

  /** Writes at the end of this turn of the event loop, in which a task may start in the slot of the task before, or later. */
  #beginSoon(): void {
    if (this.#writing) return;
    this.#check ??= setImmediate(() => {
      this.#check = undefined;
      if (this.#options.mayWait()) this.#beginLater();
      else this.#begin();
    });
  }

  #beginLater(): void {
    if (!this.#writing) this.#timer ??= setTimeout(() => this.#begin(), WAIT_MS);
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#failure) this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    await Promise.resolve(); // without an await before its end, the function would end before `#writing` is set
    try {
      for (let lines = this.#take(); lines !== ""; lines = this.#take()) {
        await this.#write(this.#signer.sign(this.#encoder.encode(lines)));
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#writing = undefined;
  }

  /** Removes and returns the buffered lines. */
  #take(): string {
    const lines = this.#progress ? this.#buffered + lineOf("progress", this.#progress) : this.#buffered;
    this.#buffered = "";
    this.#waiting = 0;
    this.#progress = undefined;
    return lines;
  }
}

function lineOf(...message: Message): string {
  return `${JSON.stringify(message)}\n`;
}
