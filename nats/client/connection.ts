/** A connection to NATS, with packages that are loaded when they are needed. @module */

import type * as jetstreamPackage from "@nats-io/jetstream";
import type * as objectsPackage from "@nats-io/obj";
import type * as transportPackage from "@nats-io/transport-node";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { excerpt } from "../../text/excerpt.ts";
import { importNpmPackage } from "../../system/npm_package.ts";
import { systemCode, systemReason } from "../../system/system_error.ts";
import type { NatsConnectionOptions } from "./options.ts";

/** Versions that are known to work. */
const VERSION = "3.4.0";
/** After so long without an answer the server counts as gone. */
const PING_MS = 20_000;
const RECONNECT_MS = 250;
/** How long a server may take to let us in. */
const CONNECT_MS = 5_000;
/** A server that has just started takes a while until it can store messages, also to say that it will. */
const FIRST_ANSWER_MS = { withJetStream: 10_000, without: 2_000 };
/** How long one request may take. */
export const REQUEST_TIMEOUT_MS = 2_000;

/** The packages of the client. */
export interface NatsClient {
  transport: typeof transportPackage;
  jetstream: typeof jetstreamPackage;
  objects: typeof objectsPackage;
}

/** What is used of a server. */
export interface Nats {
  client: NatsClient;
  connection: transportPackage.NatsConnection;
  js: jetstreamPackage.JetStreamClient;
  jsm: jetstreamPackage.JetStreamManager;
  /** How often the connection was lost. */
  disconnects: number;
}

function load<T>(name: string): Promise<T> {
  return importNpmPackage(`@nats-io/${name}`, VERSION);
}

async function loadClient(): Promise<NatsClient> {
  try {
    const [transport, jetstream, objects] = await Promise.all([
      load<typeof transportPackage>("transport-node"),
      load<typeof jetstreamPackage>("jetstream"),
      load<typeof objectsPackage>("obj"),
    ]);
    return { transport, jetstream, objects };
  } catch (error) {
    const names = ["transport-node", "jetstream", "obj"].map((name) => `@nats-io/${name}@${VERSION}`).join(" ");
    throw new Error(`Cannot load the client for NATS: ${systemReason(error)}; npm install ${names} brings it`, {
      cause: error,
    });
  }
}

/** How to connect. */
export interface ConnectOptions {
  /** Is told when the connection is lost, and when it is there again. */
  onNotice?: ((text: string) => void) | undefined;
  /** Given to wait for a server that cannot be reached; aborted to wait no longer. */
  waiting?: AbortSignal | undefined;
}

/**
 * Connects to a server. A connection that is lost later is made again, however long that takes.
 *
 * @throws `Error` when no server can be reached, or it does not let us in; no message has a secret in it.
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
      user: options.user ?? user,
      pass: options.password ?? pass,
      token: options.token ?? token,
      ...(authenticators.length > 0 && { authenticator: authenticators }),
      ...((isTls || tls) && {
        tls: { caFile: tls?.caFile, certFile: tls?.certFile, keyFile: tls?.keyFile, handshakeFirst: tls?.isFirst },
      }),
      ...(options.inboxPrefix && { inboxPrefix: options.inboxPrefix }),
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      pingInterval: PING_MS,
      timeout: CONNECT_MS,
      noAsyncTraces: true, // a stack trace for each request would cost more than the request
    } as transportPackage.NodeConnectionOptions);
  const forget = ignoreStrayErrors();
  let connection: transportPackage.NatsConnection | undefined;
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
    const nats: Nats = { client, connection, js, jsm, disconnects: 0 };
    // It only serves notices: those who use the connection find out by themselves when it is closed.
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

/** What to say of an error that was met: why the connection was closed, if it was. */
export async function causeOf(error: unknown, { connection }: Nats): Promise<Error> {
  if (isFull(error)) return new Error("The NATS server has no room for more", { cause: error });
  const closed = connection.isClosed() ? await connection.closed() : undefined;
  return closed
    ? new Error(`The connection to NATS was closed: ${reasonOf(closed)}`, { cause: closed })
    : error as Error;
}

/** Whether a server may be there later. */
function isUnreachable(error: unknown): boolean {
  const { name, message } = error as Error;
  const codes = ["ECONNREFUSED", "ECONNRESET", "EAI_AGAIN", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"];
  return name === "TimeoutError" || message === "connection refused" || codes.includes(systemCode(error) ?? "");
}

/** A URL may have a user and a password, or a token, which the client passes over. They must not be shown, either. */
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
      // What it is must not be shown: a part can be a password.
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

/** Editors and `echo` end a file with a new line. */
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
  if (name === "AuthorizationError") return "the server does not let this user in";
  if (name === "JetStreamNotEnabled") return "it has no JetStream, which nats-server has when it is started with -js";
  if (name === "TimeoutError") return `no answer within ${CONNECT_MS / 1000} s`;
  if (/Subscription to "_INBOX\./.test(message)) return `${message}, which another inbox prefix may change`;
  return message;
}

/** In Deno a refused login leaves a socket whose error nobody listens to, which would end the program. */
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
    if (type === "disconnect") onNotice?.(`the connection to NATS at ${servers} is lost; trying to make it again`);
    else if (type === "reconnect") onNotice?.(`connected to NATS again, at ${connection.getServer()}`);
  }
}

/** What says that something is not there, and will not come. */
export function isMissing(error: unknown): boolean {
  return ["StreamNotFoundError", "ConsumerNotFoundError"].includes((error as Error).name);
}

/** Whether the user has no permission for it. */
export function isForbidden(error: unknown): boolean {
  const { name, cause } = error as Error;
  return [name, (cause as Error | undefined)?.name].includes("PermissionViolationError");
}

/** Whether the server has no room for what it should keep. */
export function isFull(error: unknown): boolean {
  return FULL_CODES.has((error as { code?: unknown }).code);
}

/** Whether a message was not taken because there is one with its subject already. */
export function isTaken(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 10071 || code === 10164;
}

/** Says that somebody has removed the objects of a run, and left the run. */
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
/** No memory and no storage that may be used. */
const FULL_CODES = new Set<unknown>([10023, 10028, 10047]);
/** Replicas without a cluster. */
const FINAL_CODES = new Set<unknown>([...FULL_CODES, 10074]);
const FIRST_DELAY_MS = 50;
const MAX_DELAY_MS = 2_000;

/** How long something is tried. */
export interface RetryOptions {
  signal?: AbortSignal | undefined;
  deadlineMs?: number;
}

/**
 * Does something until it succeeds: a server that is starting, has no leader or cannot be reached answers with errors of
 * many kinds, of which only few mean that it is no use.
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
  // As for HTTP: what the server refuses it will refuse again, unlike what it cannot do now.
  return FINAL.has(name) || isMissing(error) || isForbidden(error) ||
    (status !== undefined && (status < 500 || FINAL_CODES.has(code)));
}

/** Waits for something that may find that what it is about has gone. */
export async function unlessMissing(action: Promise<unknown>): Promise<void> {
  try {
    await action;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
