/** Stores content that is too large for a message in an object store of JetStream, next to the stream of its run. @module */

import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
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
import type { ObjectStore } from "./packages.ts";
import { decode, encode, type Message, type ObjectReference } from "./protocol.ts";

/** The longest time that the server may take to confirm a chunk. */
const CHUNK_TIMEOUT_MS = 10_000;
/** The longest time until a chunk is replicated to the server that a request asks. */
const MISSING_MS = 60_000;
/** The longest time between the removal of the objects of a run and the removal of its stream. */
const REMOVAL_MS = 1_000;

/** The largest size of the subject and the headers of a message. */
const HEADER_BYTES = 1024;

/** The objects of one run. */
export class RunObjects {
  readonly #nats: Nats;
  readonly #bucket: string;
  /** The largest message that the server takes, as it last reported. */
  #maxPayloadBytes = 1024 ** 2;
  #store: Promise<ObjectStore> | undefined;

  constructor(nats: Nats, stream: string) {
    this.#nats = nats;
    this.#bucket = stream;
  }

  /** Stores a file as an object. */
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

  /** Encodes a value as a message. Returns `undefined` for a value that is too large, which {@linkcode pack} stores. */
  packInline<T>(value: T): Uint8Array | undefined {
    const message = encode({ value } satisfies Message<T>);
    this.#maxPayloadBytes = this.#nats.connection.info?.max_payload ?? this.#maxPayloadBytes;
    return message.length + HEADER_BYTES <= this.#maxPayloadBytes ? message : undefined;
  }

  /** Stores a value as an object, and encodes a reference to the object as a message. */
  async pack<T>(value: T, name: string, options: RetryOptions): Promise<Uint8Array> {
    const content = new Blob([encode(value) as Uint8Array<ArrayBuffer>]);
    return encode({ object: await this.#put(name, () => content.stream(), options) } satisfies Message<T>);
  }

  /**
   * Reads the value of a message: returns it, or reads it from an object. The value is not checked.
   *
   * @param maxBytes the largest object that is read into memory.
   * @throws `TypeError` for an invalid message, `Error` for an object that does not match its reference.
   */
  unpack(bytes: Uint8Array, maxBytes: number, options: RetryOptions): unknown | Promise<unknown> {
    const message = checkMessage(decode(bytes));
    return "value" in message ? message.value : this.#readValue(message.object, maxBytes, options);
  }

  async #readValue(object: ObjectReference, maxBytes: number, options: RetryOptions): Promise<unknown> {
    if (object.bytes > maxBytes) {
      throw new TypeError(`its object has ${object.bytes} bytes, and the limit is ${maxBytes}`);
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.#read(object, options)) chunks.push(chunk);
    return decode(Buffer.concat(chunks));
  }

  /**
   * Reads an object, up to the size that its reference states. Requests each chunk directly instead of through a consumer:
   * requests survive the restart of a server, and workers need no permission to create consumers, which could send messages
   * to any subject.
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
      if (read > bytes) throw new Error("a large message is larger than its reference states");
      hash.update(chunk.data);
      yield chunk.data;
      seq = chunk.seq + 1;
    }
    // Every client that may publish results can replace the chunks of other messages.
    if (hash.digest("hex") !== sha256) throw new Error("a large message was modified");
  }

  /** Retries an action while the object store exists. Without the store, the client would wait or fail silently. */
  async #retryTransient<T>(action: () => Promise<T>, options: RetryOptions): Promise<T> {
    return await retryTransient(async () => {
      try {
        return await action();
      } catch (error) {
        await this.#assertExists();
        throw error;
      }
    }, options);
  }

  /** Throws when the object store is gone. When the whole run is gone, the error is that its stream was not found. */
  async #assertExists(): Promise<void> {
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

  /** Removes all objects. */
  async destroy(options: RetryOptions): Promise<void> {
    await unlessMissing(retryTransient(() => this.#nats.jsm.streams.delete(this.#stream), options));
  }

  /** Creates the object store. Only the program that creates the run calls this, so that no store outlives its run. */
  async create(replicas: number, options: RetryOptions): Promise<void> {
    await retryTransient(() => this.#manager.create(this.#bucket, { replicas }), options);
  }

  /** The name of the stream that backs the object store. */
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

/** Converts a digest of the object store, `SHA-256=` and base64url, to hexadecimal digits. */
function hexOf(digest: string): string {
  return Buffer.from(digest.slice(digest.indexOf("=") + 1), "base64url").toString("hex");
}
