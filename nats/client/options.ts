import { excerpt } from "../../text/excerpt.ts";
import { MAX_TIMEOUT_MS } from "../../records/task.ts";

/** NATS connection and authentication options, as in the `nats` command. */
export interface NatsConnectionOptions {
  /** URLs of servers, such as `nats://host:4222` or, for TLS, `tls://host:4222`. */
  servers: string | readonly string[];
  /** The user name. */
  user?: string | undefined;
  /** The password of the user. */
  password?: string | undefined;
  /** The authentication token. */
  token?: string | undefined;
  /** The path of a credentials file, as `nsc` writes it. */
  credsFile?: string | undefined;
  /** The path of a file with the seed of an nkey. */
  nkeyFile?: string | undefined;
  /**
   * The prefix of the inbox subjects, which receive replies. To hide replies from other users, choose a prefix to which
   * only this user may subscribe.
   *
   * @default {"_INBOX"}
   */
  inboxPrefix?: string | undefined;
  /** The JetStream domain, for a server that does not store the messages itself, such as a leaf node. */
  domain?: string | undefined;
  /** TLS options. A `tls:` URL is enough when the runtime trusts the certificate of the server. */
  tls?: {
    /**
     * The path of a file with the trusted CA certificates.
     *
     * @default the certificates that the runtime trusts
     */
    caFile?: string | undefined;
    /** The path of the client certificate. */
    certFile?: string | undefined;
    /** The path of the private key of the client certificate. */
    keyFile?: string | undefined;
    /**
     * If true, the TLS handshake precedes the INFO message of the server, as its option `handshake_first` requires.
     *
     * @default {false}
     */
    isFirst?: boolean | undefined;
  } | undefined;
}

/** Options for running tasks on workers on other machines. */
export interface NatsOptions extends NatsConnectionOptions {
  /** The name of the queue that the workers take tasks from: 1 to 64 letters, digits and `-`. */
  queue: string;
  /**
   * The name of the run: 1 to 64 letters, digits and `-`.
   *
   * @default a random name
   */
  run?: string | undefined;
  /**
   * If true, resumes an existing run of that name: tasks that have a result do not run again.
   *
   * @default {false} (an existing run of that name is removed first)
   */
  resume?: boolean | undefined;
  /**
   * The number of servers of a cluster that store the tasks and results, from 1 to 5.
   *
   * @default {1}
   */
  replicas?: number | undefined;
  /**
   * The time without a heartbeat of its worker after which a task is delivered to another worker, in milliseconds, from 100
   * to 2,147,483,647. A worker sends three heartbeats in that time. Below 4,000, a first delivery may count as a redelivery.
   *
   * @default {30_000}
   */
  ackWaitMs?: number | undefined;
  /** Called with status messages for people, for example when the connection is lost. */
  onNotice?: ((text: string) => void) | undefined;
}

/** The range of `ackWaitMs`. Workers derive their timers from it. */
export const ACK_WAIT_MS = { min: 100, max: MAX_TIMEOUT_MS };

const NAME = /^[A-Za-z0-9-]{1,64}$/;

/**
 * Checks the name of a queue or a run, which becomes a part of subjects and of the name of a stream.
 *
 * @throws `RangeError` when the name is invalid.
 */
export function checkName(name: string, what: string): string {
  if (NAME.test(name)) return name;
  throw new RangeError(`${what} must have 1 to 64 letters, digits and -, got ${excerpt(name)}`);
}

/**
 * Checks an integer option.
 *
 * @throws `RangeError` when the value is out of range.
 */
export function checkInteger(
  value: number,
  { name, min, max = Infinity }: { name: string; min: number; max?: number },
): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new RangeError(`${name} must be a whole number ${range}, got ${excerpt(value)}`);
}

/**
 * Checks the options of `natsExecutor()`.
 *
 * @throws `RangeError` for an option that is out of range.
 */
export function checkNatsOptions({ queue, run, ackWaitMs, replicas }: NatsOptions): void {
  if (ackWaitMs !== undefined) checkInteger(ackWaitMs, { name: "ackWaitMs", ...ACK_WAIT_MS });
  if (replicas !== undefined) checkInteger(replicas, { name: "replicas", min: 1, max: 5 });
  checkName(queue, "The name of a queue");
  if (run !== undefined) checkName(run, "The name of a run");
}
