/** Publishes messages to streams. @module */

import { randomBytes } from "node:crypto";
import type { Outbox } from "./outbox.ts";
import type { Message, MessageHeaders, NatsConnection, TransportPackage } from "./packages.ts";
import { decode } from "./protocol.ts";

/** The interval at which the publisher looks for messages that were not confirmed in time. */
const SWEEP_MS = 500;
/** The code of JetStream for a stream that does not exist. */
const STREAM_NOT_FOUND = 10059;

/** Options of {@linkcode StreamPublisher.publish}. */
export interface PublishOptions {
  /** The stream that must take the message. */
  stream: string;
  /** If true, the server rejects the message when its subject already has a message. */
  isOnly?: boolean;
  /** The id by which the server recognizes a retry. */
  messageId?: string;
}

/** A message that the server has not confirmed. */
interface Unconfirmed {
  subject: string;
  deadlineMs: number;
  resolve: (sequence: number) => void;
  reject: (error: unknown) => void;
}

/**
 * Publishes messages to streams, any number of them before the first confirmation. Takes a fraction of the CPU time of the
 * client's own function, which creates a timer, a random number and an error with a stack trace for each message.
 */
export class StreamPublisher {
  readonly #connection: NatsConnection;
  readonly #outbox: Outbox;
  readonly #transport: TransportPackage;
  readonly #timeoutMs: number;
  /** The prefix of the subjects to which the server sends confirmations. */
  readonly #inbox: string;
  /** Messages by the last part of that subject, oldest first. */
  readonly #unconfirmed = new Map<string, Unconfirmed>();
  /** Headers by the name of the stream and the kind of the message. */
  readonly #headers = new Map<string, MessageHeaders>();
  #count = 0;
  /** Distinguishes the message ids of this program from those of others. */
  readonly #nonce = `${randomBytes(12).toString("base64url")}-`;
  #messageIds = 0;
  #sweeper: ReturnType<typeof setTimeout> | undefined;

  constructor(
    connection: NatsConnection,
    { outbox, transport, inboxPrefix, timeoutMs }: {
      outbox: Outbox;
      transport: TransportPackage;
      inboxPrefix: string | undefined;
      timeoutMs: number;
    },
  ) {
    this.#connection = connection;
    this.#outbox = outbox;
    this.#transport = transport;
    this.#timeoutMs = timeoutMs;
    this.#inbox = `${transport.createInbox(inboxPrefix)}.`;
    connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error) this.#rejectAll(error);
        else this.#confirm(message);
      },
    });
    this.#watchErrors().catch(() => {});
    connection.closed().then((error) => this.#rejectAll(error ?? new Error("the connection is closed"))).catch(
      () => {},
    );
  }

  /**
   * Publishes a message.
   *
   * @returns the sequence number of the message in the stream; of the first copy when the message is a retry.
   */
  publish(subject: string, payload: Uint8Array, options: PublishOptions): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#outbox.add(() => {
        const reply = this.#expect({ subject, deadlineMs: performance.now() + this.#timeoutMs, resolve, reject });
        try {
          this.#connection.publish(subject, payload, { reply, headers: this.#headersFor(options) });
        } catch (error) {
          this.#take(reply.slice(this.#inbox.length))!.reject(error);
        }
      });
    });
  }

  /** Returns the subject for the confirmation of a message. */
  #expect(message: Unconfirmed): string {
    const token = (++this.#count).toString(36);
    this.#unconfirmed.set(token, message);
    this.#sweeper ??= setTimeout(() => this.#sweep(), SWEEP_MS);
    return this.#inbox + token;
  }

  /** Returns an id for a message that may have to be published again. */
  createMessageId(): string {
    return `${this.#nonce}${++this.#messageIds}`;
  }

  /** Returns the headers of a message. They are valid until the next call. */
  #headersFor({ stream, isOnly = false, messageId }: PublishOptions): MessageHeaders {
    const kind = `${stream} ${isOnly} ${messageId !== undefined}`;
    let headers = this.#headers.get(kind);
    if (!headers) {
      headers = this.#transport.headers();
      headers.set("Nats-Expected-Stream", stream);
      if (isOnly) headers.set("Nats-Expected-Last-Subject-Sequence", "0");
      this.#headers.set(kind, headers);
    }
    if (messageId !== undefined) headers.set("Nats-Msg-Id", messageId);
    return headers;
  }

  #confirm({ subject, data, headers }: Message): void {
    const message = this.#take(subject.slice(this.#inbox.length));
    if (!message) return; // it was confirmed too late
    if (data.length === 0 && headers?.code === 503) return message.reject(new Error("no stream takes the message"));
    try {
      const { error, seq } = decode(data) as { error?: ServerErrorDescription; seq?: unknown };
      if (error) message.reject(new PublishError(error));
      else if (typeof seq !== "number") message.reject(new Error("the confirmation of the server is invalid"));
      else message.resolve(seq);
    } catch (error) {
      message.reject(error);
    }
  }

  #take(token: string): Unconfirmed | undefined {
    const message = this.#unconfirmed.get(token);
    this.#unconfirmed.delete(token);
    return message;
  }

  /** Rejects the messages that the user is not allowed to publish. The server reports these by their subject. */
  async #watchErrors(): Promise<void> {
    for await (const { error } of this.#connection.status()) {
      const subject = (error as { subject?: string } | undefined)?.subject;
      if (subject === undefined) continue;
      for (const [token, message] of this.#unconfirmed) {
        if (message.subject === subject) this.#take(token)!.reject(error);
      }
    }
  }

  #sweep(): void {
    this.#sweeper = undefined;
    for (const [token, { deadlineMs }] of this.#unconfirmed) {
      if (deadlineMs > performance.now()) break;
      this.#take(token)!.reject(new Error("the server has not confirmed a message in time"));
    }
    if (this.#unconfirmed.size > 0) this.#sweeper = setTimeout(() => this.#sweep(), SWEEP_MS);
  }

  #rejectAll(error: unknown): void {
    clearTimeout(this.#sweeper);
    this.#sweeper = undefined;
    for (const token of this.#unconfirmed.keys()) this.#take(token)!.reject(error);
  }
}

interface ServerErrorDescription {
  description: string;
  code: number;
  err_code: number;
}

/** A message that the server has rejected. */
class PublishError extends Error {
  override readonly name: string;
  /** As in HTTP. */
  readonly status: number;
  /** The code of JetStream. */
  readonly code: number;

  constructor({ description, code, err_code }: ServerErrorDescription) {
    super(description);
    this.name = err_code === STREAM_NOT_FOUND ? "StreamNotFoundError" : "PublishError";
    this.status = code;
    this.code = err_code;
  }
}
