import { excerpt } from "../../text/excerpt.ts";
import { MAX_TIMEOUT_MS } from "../../records/task.ts";

/** Where a NATS server is, and how to prove to it who one is. Each is as the `nats` command has it. */
export interface NatsConnectionOptions {
  /** URLs of servers, such as `nats://host:4222` or, for TLS, `tls://host:4222`. */
  servers: string | readonly string[];
  /** A user, and the password of that user. */
  user?: string | undefined;
  /** The password of the user. */
  password?: string | undefined;
  /** A token, where the server asks for one. */
  token?: string | undefined;
  /** The file with the credentials of a user, as `nsc` makes it. */
  credsFile?: string | undefined;
  /** The file with the seed of an nkey. */
  nkeyFile?: string | undefined;
  /**
   * Where answers are sent: the first part of the subjects of this connection's own inboxes. With one that no other user may
   * read, no other user sees them.
   *
   * @default {"_INBOX"}
   */
  inboxPrefix?: string | undefined;
  /** The JetStream domain, where the server that keeps the messages is not the one that is connected to, as with leaf nodes. */
  domain?: string | undefined;
  /** How TLS is used; a `tls:` URL is enough where the runtime trusts the server's certificate. */
  tls?: {
    /** The certificates that the server's is signed by; by default those that the runtime trusts. */
    caFile?: string | undefined;
    /** The own certificate, where the server asks for one. */
    certFile?: string | undefined;
    /** The key of the own certificate. */
    keyFile?: string | undefined;
    /** Whether TLS comes before the server says anything. */
    isFirst?: boolean | undefined;
  } | undefined;
}

/** How tasks get to workers on other machines. */
export interface NatsOptions extends NatsConnectionOptions {
  /** Which workers run the tasks. Letters, digits and `-`. */
  queue: string;
  /**
   * The name of the run: letters, digits and `-`.
   *
   * @default one at random
   */
  run?: string | undefined;
  /**
   * Whether to go on with a run of that name if there is one: what it has already done is not done again.
   *
   * @default {false} (a run of that name is removed first)
   */
  resume?: boolean | undefined;
  /**
   * How many servers of a cluster hold the tasks and results: 1 to 5.
   *
   * @default {1}
   */
  replicas?: number | undefined;
  /**
   * How long a task is left to a worker that gives no sign of life, in milliseconds, before another one begins it: at least
   * 100 and at most 2,147,483,647. A worker gives three in that time. With less than 4,000 one that was begun once may count as begun again.
   *
   * @default {30_000}
   */
  ackWaitMs?: number | undefined;
  /** Is told what there is to know about the connection, such as that it was lost. */
  onNotice?: ((text: string) => void) | undefined;
}

/** How long a worker may give no sign of life: timers of workers go by it. */
export const ACK_WAIT_MS = { min: 100, max: MAX_TIMEOUT_MS };

const NAME = /^[A-Za-z0-9-]{1,64}$/;

/**
 * Checks the name of a queue or a run: it becomes a part of a subject, and of the name of a stream.
 *
 * @throws `RangeError` when it is not right.
 */
export function checkName(name: string, what: string): string {
  if (NAME.test(name)) return name;
  throw new RangeError(`${what} must have 1 to 64 letters, digits and -, got ${excerpt(name)}`);
}

/**
 * Checks a number.
 *
 * @throws `RangeError` when it is not right.
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
 * Checks how tasks are to get to workers.
 *
 * @throws `RangeError` when it is not right.
 */
export function checkNatsOptions({ queue, run, ackWaitMs, replicas }: NatsOptions): void {
  if (ackWaitMs !== undefined) checkInteger(ackWaitMs, { name: "ackWaitMs", ...ACK_WAIT_MS });
  if (replicas !== undefined) checkInteger(replicas, { name: "replicas", min: 1, max: 5 });
  checkName(queue, "The name of a queue");
  if (run !== undefined) checkName(run, "The name of a run");
}
