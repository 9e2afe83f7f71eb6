/** A connection to NATS. Its client packages are loaded on demand. @module */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { excerpt } from "../../text/excerpt.ts";
import { importNpmPackage } from "../../system/npm_package.ts";
import { systemCode, systemReason } from "../../system/system_error.ts";
import type { NatsConnectionOptions } from "./options.ts";
import type {
  JetStreamClient,
  JetStreamManager,
  JetStreamPackage,
  NatsClient,
  NatsConnection,
  ObjectsPackage,
  TransportPackage,
} from "./packages.ts";
import { Outbox } from "./outbox.ts";
import { StreamPublisher } from "./publisher.ts";

/** The version of the client packages that the tests use. */
const VERSION = "3.4.0";
/** The interval of pings, which detect a dead server. */
const PING_MS = 20_000;
const RECONNECT_MS = 250;
/** The longest time that a server may take to accept a connection. */
const CONNECT_MS = 5_000;
/** The longest time to the first reply of JetStream, which takes a while after a server has started. */
const FIRST_ANSWER_MS = { withJetStream: 10_000, without: 2_000 };
/** The timeout of a single request. */
const REQUEST_TIMEOUT_MS = 2_000;

/** An open connection, with the interfaces of JetStream. */
export interface Nats {
  client: NatsClient;
  connection: NatsConnection;
  js: JetStreamClient;
  jsm: JetStreamManager;
  /** Sends acknowledgments. */
  outbox: Outbox;
  publisher: StreamPublisher;
  /** The number of times that the connection was lost. */
  disconnects: number;
}

function load<T>(name: string): Promise<T> {
  return importNpmPackage(`@nats-io/${name}`, VERSION);
}

async function loadClient(): Promise<NatsClient> {
  try {
    const [transport, jetstream, objects] = await Promise.all([
      load<TransportPackage>("transport-node"),
      load<JetStreamPackage>("jetstream"),
      load<ObjectsPackage>("obj"),
    ]);
    return { transport, jetstream, objects };
  } catch (error) {
    const names = ["transport-node", "jetstream", "obj"].map((name) => `@nats-io/${name}@${VERSION}`).join(" ");
    throw new Error(`Cannot load the client for NATS: ${systemReason(error)}; run npm install ${names}`, {
      cause: error,
    });
  }
}

/** Further options of {@linkcode connectNats}. */
export interface ConnectOptions {
  /** Called when the connection is lost, and when it is back. */
  onNotice?: ((text: string) => void) | undefined;
  /** When present, the call waits for an unreachable server until the signal is aborted. */
  waiting?: AbortSignal | undefined;
}

/**
 * Connects to a server. Reconnects whenever the connection is lost later, however long that takes.
 *
 * @throws `Error` when no server can be reached, or the server rejects the login. Messages contain no secrets.
 */
export async function connectNats(
  options: NatsConnectionOptions,
  { onNotice, waiting }: ConnectOptions = {},
): Promise<Nats> {
  const client = await loadClient();
  const { urls, user, pass, token, isTls } = splitServers(options.servers);
  const servers = urls.join(", ");
  const { tls, credsFile, nkeyFile } = options;
  const authenticators = [
    ...credsFile !== undefined ? [client.transport.credsAuthenticator(await secretFile(credsFile))] : [],
    ...nkeyFile !== undefined ? [client.transport.nkeyAuthenticator(trimmed(await secretFile(nkeyFile)))] : [],
  ];
  const connect = () =>
    client.transport.connect({
      servers: urls,
      name: `taskrunner ${process.pid}`,
      ...withoutUndefined({
        user: options.user ?? user,
        pass: options.password ?? pass,
        token: options.token ?? token,
      }),
      ...(authenticators.length > 0 && { authenticator: authenticators }),
      ...((isTls || tls) && {
        tls: withoutUndefined({
          caFile: tls?.caFile,
          certFile: tls?.certFile,
          keyFile: tls?.keyFile,
          handshakeFirst: tls?.isFirst,
        }),
      }),
      ...(options.inboxPrefix && { inboxPrefix: options.inboxPrefix }),
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      pingInterval: PING_MS,
      timeout: CONNECT_MS,
      noAsyncTraces: true, // a stack trace for each request would cost more than the request
    });
  const forget = ignoreStrayErrors();
  let connection: NatsConnection | undefined;
  try {
    for (let isFirst = true; !connection; isFirst = false) {
      try {
        connection = await connect();
      } catch (error) {
        if (!waiting || waiting.aborted || !isUnreachable(error)) throw error;
        if (isFirst) onNotice?.(`waiting for NATS at ${servers}: ${reasonOf(error)}`);
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
      }
    }
    connection.closed().then(forget, forget);
    const js = client.jetstream.jetstream(connection, {
      timeout: REQUEST_TIMEOUT_MS,
      ...(options.domain && { domain: options.domain }),
    });
    const deadlineMs = FIRST_ANSWER_MS[connection.info?.jetstream ? "withJetStream" : "without"];
    const jsm = await retryTransient(() => js.jetstreamManager(), { signal: waiting, deadlineMs });
    const outbox = new Outbox();
    const publisher = new StreamPublisher(connection, {
      outbox,
      transport: client.transport,
      inboxPrefix: options.inboxPrefix,
      timeoutMs: REQUEST_TIMEOUT_MS,
    });
    const nats: Nats = { client, connection, js, jsm, outbox, publisher, disconnects: 0 };
    // An error here only ends the notices: requests on a closed connection fail by themselves.
    watch(nats, servers, onNotice).catch(() => {});
    return nats;
  } catch (error) {
    await connection?.close();
    forget();
    const isNoDomain = options.domain && (error as Error).name === "JetStreamNotEnabled";
    const reason = isNoDomain ? `it has no JetStream domain ${excerpt(options.domain)}` : reasonOf(error);
    throw new Error(`Cannot connect to NATS at ${servers}: ${reason}`, { cause: error });
  }
}

/** Returns the error to report for a failed request: if the connection is closed, the reason why. */
export async function causeOf(error: unknown, { connection }: Nats): Promise<Error> {
  if (isFull(error)) return new Error("The NATS server is out of storage", { cause: error });
  const closed = connection.isClosed() ? await connection.closed() : undefined;
  return closed
    ? new Error(`The connection to NATS was closed: ${reasonOf(closed)}`, { cause: closed })
    : error as Error;
}

/** Returns whether a server may become reachable later. */
function isUnreachable(error: unknown): boolean {
  const { name, message } = error as Error;
  const codes = ["ECONNREFUSED", "ECONNRESET", "EAI_AGAIN", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"];
  return name === "TimeoutError" || message === "connection refused" || codes.includes(systemCode(error) ?? "");
}

/** Splits server URLs into addresses and credentials, because the client ignores credentials in URLs. */
function splitServers(servers: string | readonly string[]) {
  const names = [servers].flat().flatMap((text) => text.split(",")).map((text) => text.trim()).filter((name) => name);
  const parsed = names.map((name) => {
    try {
      if (/[/?#].*@/.test(name.replace(/^\w+:\/\//, ""))) throw new URIError();
      const url = new URL(name.includes("://") ? name : `nats://${name}`);
      decodeURIComponent(`${url.username}${url.password}`);
      if (!["nats:", "tls:"].includes(url.protocol)) throw new URIError();
      return url;
    } catch {
      // The message omits the URL, which can contain a password.
      throw new RangeError(
        "Cannot connect to NATS: a server must be a URL such as nats://host:4222, with / ? # % , in a password as %2F %3F " +
          "%23 %25 %2C",
      );
    }
  });
  const { username, password } = parsed.find((url) => url.username !== "") ?? { username: "", password: "" };
  const [name, secret] = [username, password].map(decodeURIComponent);
  return {
    urls: parsed.map(({ host }) => host),
    isTls: parsed.some(({ protocol }) => protocol === "tls:"),
    ...(name && (secret ? { user: name, pass: secret } : { token: name })),
  } as { urls: string[]; isTls: boolean; user?: string; pass?: string; token?: string };
}

/** Returns the options that have a value. */
function withoutUndefined<T extends object>(options: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Name in keyof T]?: Exclude<T[Name], undefined> };
}

/** Removes surrounding white space, such as a final newline. */
function trimmed(bytes: Uint8Array): Uint8Array {
  return new TextEncoder().encode(new TextDecoder().decode(bytes).trim());
}

async function secretFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`Cannot read ${path}: ${systemReason(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  const { name, message } = error as Error;
  if (name === "AuthorizationError") return "the server rejected the login";
  if (name === "JetStreamNotEnabled") return "JetStream is not enabled; start nats-server with -js";
  if (name === "TimeoutError") return `no answer within ${CONNECT_MS / 1000} s`;
  if (/Subscription to "_INBOX\./.test(message)) {
    return `${message}; set an inbox prefix to which this user may subscribe`;
  }
  return message;
}

/**
 * Ignores the socket error that follows a rejected login on Deno, which would end the program. Returns a function that
 * removes the listener.
 */
function ignoreStrayErrors(): () => void {
  if (!("Deno" in globalThis)) return () => {};
  const listener = (event: Event) => {
    if (systemCode((event as ErrorEvent).error ?? {}) === "ECONNRESET") event.preventDefault();
  };
  addEventListener("error", listener);
  return () => setTimeout(() => removeEventListener("error", listener), REQUEST_TIMEOUT_MS).unref?.();
}

async function watch(
  nats: Nats,
  servers: string,
  onNotice: ((text: string) => void) | undefined,
): Promise<void> {
  const { connection } = nats;
  for await (const { type } of connection.status()) {
    if (type === "disconnect") nats.disconnects++;
    if (type === "disconnect") onNotice?.(`the connection to NATS at ${servers} is lost; reconnecting`);
    else if (type === "reconnect") onNotice?.(`reconnected to NATS at ${connection.getServer()}`);
  }
}

/** Returns whether an error means that a stream or consumer does not exist. */
export function isMissing(error: unknown): boolean {
  return ["StreamNotFoundError", "ConsumerNotFoundError"].includes((error as Error).name);
}

/** Returns whether an error means that the user lacks a permission. */
export function isForbidden(error: unknown): boolean {
  const { name, cause } = error as Error;
  return [name, (cause as Error | undefined)?.name].includes("PermissionViolationError");
}

/** Returns whether an error means that the server is out of storage. */
export function isFull(error: unknown): boolean {
  return FULL_CODES.has((error as { code?: unknown }).code);
}

/** Returns whether a message was rejected because its subject already has a message. */
export function isTaken(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 10071 || code === 10164;
}

/** Thrown when the object store of a run was removed, and the run was not. */
export class ObjectsRemovedError extends Error {
  override readonly name = "ObjectsRemovedError";

  constructor(bucket: string) {
    super(`the object store ${bucket} of the run was removed from the server`);
  }
}

const FINAL = new Set([
  "ObjectsRemovedError",
  "ClosedConnectionError",
  "DrainingConnectionError",
  "InvalidArgumentError",
]);
/** The error codes for exhausted memory or storage. */
const FULL_CODES = new Set<unknown>([10023, 10028, 10047]);
/** These codes, and the code for replicas without a cluster. */
const FINAL_CODES = new Set<unknown>([...FULL_CODES, 10074]);
const FIRST_DELAY_MS = 50;
const MAX_DELAY_MS = 2_000;

/** Limits for retries. */
export interface RetryOptions {
  signal?: AbortSignal | undefined;
  deadlineMs?: number;
}

/**
 * Retries an action until it succeeds, fails permanently, is aborted, or the deadline passes. Errors that are not known to
 * be permanent count as transient: a server that is starting, has no leader or cannot be reached causes many kinds of errors.
 */
export async function retryTransient<T>(
  action: () => Promise<T>,
  { signal, deadlineMs = Infinity }: RetryOptions = {},
): Promise<T> {
  const startedMs = performance.now();
  for (let delayMs = FIRST_DELAY_MS;; delayMs = Math.min(2 * delayMs, MAX_DELAY_MS)) {
    try {
      return await action();
    } catch (error) {
      const isLate = performance.now() - startedMs > deadlineMs;
      if (isLate || signal?.aborted || isFinal(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}

function isFinal(error: unknown): boolean {
  const { name = "", status, code } = error as { name?: string; status?: number; code?: unknown };
  // As in HTTP, a status below 500 means that the request itself is at fault.
  return FINAL.has(name) || isMissing(error) || isForbidden(error) ||
    (status !== undefined && (status < 500 || FINAL_CODES.has(code)));
}

/** Waits for an action, and ignores that its stream or consumer does not exist. */
export async function unlessMissing(action: Promise<unknown>): Promise<void> {
  try {
    await action;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
