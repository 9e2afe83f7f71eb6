/**
 * The parts of the NATS client that this room uses. These types stand for those of the packages, so that checking the
 * types of a program downloads none of the packages.
 *
 * @module
 */

/** The packages of the NATS client. */
export interface NatsClient {
  transport: TransportPackage;
  jetstream: JetStreamPackage;
  objects: ObjectsPackage;
}

/** `@nats-io/transport-node`. */
export interface TransportPackage {
  connect(options: ConnectionOptions): Promise<NatsConnection>;
  credsAuthenticator(credentials: Uint8Array): Authenticator;
  nkeyAuthenticator(seed: Uint8Array): Authenticator;
  createInbox(prefix?: string): string;
  headers(): MessageHeaders;
}

/** `@nats-io/jetstream`. */
export interface JetStreamPackage {
  jetstream(connection: NatsConnection, options: { timeout: number; domain?: string }): JetStreamClient;
  AckPolicy: { readonly Explicit: "explicit" };
  DeliverPolicy: { readonly All: "all"; readonly New: "new" };
  DiscardPolicy: { readonly New: "new" };
  RetentionPolicy: { readonly Limits: "limits" };
  StorageType: { readonly File: "file" };
}

/** `@nats-io/obj`. */
export interface ObjectsPackage {
  Objm: typeof ObjectStores;
}

/** Creates and opens object stores. */
export declare class ObjectStores {
  constructor(client: NatsConnection | JetStreamClient);
  create(bucket: string, options: { replicas: number }): Promise<ObjectStore>;
  open(bucket: string): Promise<ObjectStore>;
}

/** Answers the challenge of a server. */
export type Authenticator = (nonce?: string) => void;

/** The options of a connection. */
export interface ConnectionOptions {
  servers: string[];
  name: string;
  user?: string;
  pass?: string;
  token?: string;
  authenticator?: Authenticator[];
  tls?: {
    caFile?: string;
    certFile?: string;
    keyFile?: string;
    handshakeFirst?: boolean;
  };
  inboxPrefix?: string;
  maxReconnectAttempts: number;
  reconnectTimeWait: number;
  pingInterval: number;
  timeout: number;
  noAsyncTraces: boolean;
}

/** A connection. */
export interface NatsConnection {
  /** The description of the server. */
  readonly info?: { server_id: string; cluster?: string; jetstream?: boolean; max_payload: number };
  subscribe(subject: string, options: SubscriptionOptions): { unsubscribe(): void };
  publish(subject: string, payload?: Uint8Array, options?: { reply?: string; headers?: MessageHeaders }): void;
  requestMany(
    subject: string,
    payload: Uint8Array,
    options: { strategy: "stall"; maxWait: number; stall: number },
  ): Promise<AsyncIterable<{ data: Uint8Array }>>;
  status(): AsyncIterable<{ type: string; error?: Error }>;
  getServer(): string;
  isClosed(): boolean;
  /** Settles when the connection is closed, with the error that closed it. */
  closed(): Promise<void | Error>;
  close(): Promise<void>;
  drain(): Promise<void>;
}

/** The options of a subscription. */
export interface SubscriptionOptions {
  /** The number of messages after which the subscription ends. */
  max?: number;
  callback(error: Error | null, message: Message): void;
}

/** A message that is not in a stream. */
export interface Message {
  subject: string;
  data: Uint8Array;
  headers?: MessageHeaders;
  respond(payload: Uint8Array): boolean;
}

/** The headers of a message. */
export interface MessageHeaders {
  /** The status of a message from the server, as in HTTP. */
  readonly code: number;
  has(name: string): boolean;
  set(name: string, value: string): void;
}

/** Consumes the messages of streams. */
export interface JetStreamClient {
  consumers: { get(stream: string, name: string): Promise<Consumer> };
  jetstreamManager(): Promise<JetStreamManager>;
}

/** Manages streams and their consumers. */
export interface JetStreamManager {
  getAccountInfo(): Promise<unknown>;
  streams: {
    add(config: StreamConfig): Promise<StreamInfo>;
    info(stream: string, options?: { subjects_filter: string }): Promise<StreamInfo>;
    delete(stream: string): Promise<boolean>;
    list(): AsyncIterable<StreamInfo>;
    names(subject: string): AsyncIterable<string>;
    getMessage(stream: string, query: { last_by_subj: string }): Promise<StoredMessage | null>;
  };
  consumers: {
    add(stream: string, config: ConsumerConfig): Promise<ConsumerInfo>;
    info(stream: string, name: string): Promise<ConsumerInfo>;
    delete(stream: string, name: string): Promise<boolean>;
    list(stream: string): AsyncIterable<ConsumerInfo>;
  };
  direct: {
    getMessage(
      stream: string,
      query: { last_by_subj: string } | { seq: number; next_by_subj: string },
    ): Promise<StoredMessage | null>;
  };
}

/** The settings of a stream. */
export interface StreamConfig {
  name: string;
  subjects: string[];
  retention: "limits";
  storage: "file";
  discard: "new";
  allow_direct: boolean;
  /** Nanoseconds. */
  duplicate_window: number;
  num_replicas: number;
}

/** The state of a stream. */
export interface StreamInfo {
  config: { name: string };
  created: string;
  state: { bytes: number; subjects?: Record<string, number> };
}

/** The settings of a consumer. */
export interface ConsumerConfig {
  durable_name: string;
  description?: string;
  filter_subject: string;
  deliver_policy?: "all" | "new";
  ack_policy: "explicit";
  /** Nanoseconds. */
  ack_wait: number;
  max_deliver: number;
  max_ack_pending: number;
  max_waiting?: number;
}

/** The state of a consumer. */
export interface ConsumerInfo {
  name: string;
  config: { description?: string };
  delivered: { consumer_seq: number; stream_seq: number };
  num_pending: number;
  num_ack_pending: number;
}

/** A message of a stream, as the stream has it. */
export interface StoredMessage {
  subject: string;
  seq: number;
  data: Uint8Array;
}

/** Delivers the messages of a stream. */
export interface Consumer {
  info(cached?: boolean): Promise<ConsumerInfo>;
  consume(options: { abort_on_missing_resource: boolean; expires: number }): Promise<ConsumerMessages>;
  fetch(options: { max_messages: number; expires: number }): Promise<ConsumerMessages>;
}

/** Delivered messages. */
export interface ConsumerMessages extends AsyncIterable<DeliveredMessage> {
  stop(): void;
}

/** A message that a consumer delivers. */
export interface DeliveredMessage {
  subject: string;
  data: Uint8Array;
  headers?: MessageHeaders;
  info: { deliveryCount: number; streamSequence: number };
  ack(): void;
  /** Returns the message to the server, for delivery after a delay. */
  nak(delayMs?: number): void;
  /** Extends the time for the acknowledgment. */
  working(): void;
}

/** An object store. */
export interface ObjectStore {
  put(
    meta: { name: string },
    content: ReadableStream<Uint8Array>,
    options: { timeout: number },
  ): Promise<{ nuid: string; size: number; digest: string }>;
}
