/** What is too large for a message goes through the object store of JetStream, next to the stream of its run. @module */

import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import type { ObjectStore } from "@nats-io/obj";
import { writeAll } from "../../system/write_all.ts";
import { checkMessage } from "./check_message.ts";
import {
  isMissing,
  type Nats,
  ObjectsRemovedError,
  type RetryOptions,
  retryTransient,
  unlessMissing,
} from "./connection.ts";
import { decode, encode, type Message, type ObjectReference } from "./protocol.ts";

/** What is done with a chunk while the next one is on its way. */
const CHUNK_TIMEOUT_MS = 10_000;
/** How long a piece may not have reached the server that was asked for it. */
const MISSING_MS = 60_000;
/** How long a run that is being removed may be there when its objects have gone. */
const REMOVAL_MS = 1_000;

/** What the subject and the headers of a message take, at most. */
const HEADER_BYTES = 1024;

/** The objects of one run. */
export class RunObjects {
  readonly #nats: Nats;
  readonly #bucket: string;
  /** What the server takes, as it said when there was a connection. */
  #maxPayloadBytes = 1024 ** 2;
  #store: Promise<ObjectStore> | undefined;

  constructor(nats: Nats, stream: string) {
    this.#nats = nats;
    this.#bucket = stream;
  }

  /** Stores a file. */
  async putFile(name: string, path: string, options: RetryOptions): Promise<ObjectReference> {
    const file = await open(path);
    try {
      return await this.#put(name, () => {
        return Readable.toWeb(file.createReadStream({ start: 0, autoClose: false })) as ReadableStream<Uint8Array>;
      }, options);
    } finally {
      await file.close();
    }
  }

  async #put(
    name: string,
    content: () => ReadableStream<Uint8Array>,
    options: RetryOptions,
  ): Promise<ObjectReference> {
    return await this.#retryTransient(async () => {
      const store = await this.#open();
      const { nuid, size, digest } = await store.put({ name }, content(), { timeout: CHUNK_TIMEOUT_MS });
      return { id: nuid, bytes: size, sha256: hexOf(digest) };
    }, options);
  }

  /** Writes an object to an empty file. */
  async get(reference: ObjectReference, file: FileHandle, options: RetryOptions): Promise<void> {
    for await (const chunk of this.#read(reference, options)) await writeAll(file, chunk);
  }

  /** Makes a message of a value, with an object of that name if it is too large. */
  async pack<T>(value: T, name: string, options: RetryOptions): Promise<Uint8Array> {
    const message = encode({ value } satisfies Message<T>);
    this.#maxPayloadBytes = this.#nats.connection.info?.max_payload ?? this.#maxPayloadBytes;
    if (message.length + HEADER_BYTES <= this.#maxPayloadBytes) return message;
    const content = new Blob([encode(value) as Uint8Array<ArrayBuffer>]);
    return encode({ object: await this.#put(name, () => content.stream(), options) } satisfies Message<T>);
  }

  /**
   * Gives the value that {@linkcode pack} was given.
   *
   * @param maxBytes how large an object may be: all of it will be in memory.
   * @throws `TypeError` for a message that is not right, `Error` for an object that is not.
   */
  async unpack(bytes: Uint8Array, maxBytes: number, options: RetryOptions): Promise<unknown> {
    const message = checkMessage(decode(bytes));
    if ("value" in message) return message.value;
    const { object } = message;
    if (object.bytes > maxBytes) {
      throw new TypeError(`it is in an object of ${object.bytes} bytes, and may have ${maxBytes}`);
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.#read(object, options)) chunks.push(chunk);
    return decode(Buffer.concat(chunks));
  }

  /**
   * Reads an object, and no more of it than it is said to have. Each piece is asked for by itself, and not through a consumer:
   * that survives a server which is killed meanwhile, and a worker need not be allowed to make consumers, whose messages could
   * go anywhere.
   */
  async *#read({ id, bytes, sha256 }: ObjectReference, { signal }: RetryOptions): AsyncGenerator<Uint8Array> {
    const hash = createHash("sha256");
    const next_by_subj = `$O.${this.#bucket}.C.${id}`;
    for (let read = 0, seq = 1; read < bytes;) {
      const ask = () => this.#nats.jsm.direct.getMessage(this.#stream, { seq, next_by_subj });
      const chunk = await this.#retryTransient(ask, { signal }) ?? await this.#retryTransient(async () => {
        const message = await ask();
        if (!message) throw new Error("a part of a large message is missing");
        return message;
      }, { signal, deadlineMs: MISSING_MS });
      read += chunk.data.length;
      if (read > bytes) throw new Error("a large message is larger than it says");
      hash.update(chunk.data);
      yield chunk.data;
      seq = chunk.seq + 1;
    }
    // Else who may write results could put something of their own in the place of a task.
    if (hash.digest("hex") !== sha256) throw new Error("a large message was changed");
  }

  /** Does something until it succeeds, for as long as there are objects: without them the client waits, or says nothing of it. */
  async #retryTransient<T>(action: () => Promise<T>, options: RetryOptions): Promise<T> {
    return await retryTransient(async () => {
      try {
        return await action();
      } catch (error) {
        await this.#assertThere();
        throw error;
      }
    }, options);
  }

  /** Throws when the objects have gone: that the stream is not found when the run has, too, as its objects go first. */
  async #assertThere(): Promise<void> {
    const { streams } = this.#nats.jsm;
    try {
      await streams.info(this.#stream);
    } catch (error) {
      if (!isMissing(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, REMOVAL_MS));
      await streams.info(this.#bucket);
      throw new ObjectsRemovedError(this.#stream);
    }
  }

  /** Removes them all. */
  async destroy(options: RetryOptions): Promise<void> {
    await unlessMissing(retryTransient(() => this.#nats.jsm.streams.delete(this.#stream), options));
  }

  /** Makes the place for them. Only who makes the run does that, so that nothing is left after it. */
  async create(replicas: number, options: RetryOptions): Promise<void> {
    await retryTransient(() => this.#manager.create(this.#bucket, { replicas }), options);
  }

  /** The stream that the object store keeps a bucket in. */
  get #stream(): string {
    return `OBJ_${this.#bucket}`;
  }

  get #manager() {
    return new this.#nats.client.objects.Objm(this.#nats.js);
  }

  #open(): Promise<ObjectStore> {
    return this.#store ??= this.#manager.open(this.#bucket).catch((error) => {
      this.#store = undefined;
      throw error;
    });
  }
}

/** A digest as the object store has it: `SHA-256=` and base64, for URLs. */
function hexOf(digest: string): string {
  return Buffer.from(digest.slice(digest.indexOf("=") + 1), "base64url").toString("hex");
}
