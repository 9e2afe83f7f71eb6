import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { excerpt } from "../../text/excerpt.ts";
import { systemReason } from "../../system/system_error.ts";
import { checkName, type NatsConnectionOptions } from "../../nats/client/options.ts";
import type { Flags } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

/** The flags that say how to connect. */
export const CONNECTION_FLAGS: readonly string[] = [
  "nats",
  "nats-context",
  "nats-creds",
  "nats-nkey",
  "nats-inbox-prefix",
  "js-domain",
  "tls-ca",
  "tls-cert",
  "tls-key",
  "tls-first",
] satisfies (keyof Flags)[];

/** The fields of a context file of the `nats` command that are used here. */
interface Context {
  url?: string;
  user?: string;
  password?: string;
  token?: string;
  creds?: string;
  nkey?: string;
  cert?: string;
  key?: string;
  ca?: string;
  inbox_prefix?: string;
  jetstream_domain?: string;
  tls_first?: boolean;
}

/**
 * How to connect to NATS: each setting by its flag, else by its environment variable, else by the context file that a flag
 * or `NATS_CONTEXT` names. Flags have no secrets, because every user of the machine can read those of a process.
 *
 * @throws {UsageError} when there is no server, or the context cannot be read.
 */
export function readNatsConnection(flags: Flags): NatsConnectionOptions {
  const { env } = process;
  const contextName = flags["nats-context"] || env["NATS_CONTEXT"];
  const context: Context = contextName ? readContext(contextName) : {};
  // What is empty is not set: the nats command writes all fields into a context.
  const text = (...values: (string | undefined)[]) => values.find((value) => value);
  const path = (flag: string | undefined, variable: string, field: string | undefined) => {
    return text(flag, env[variable], field?.replace(/^~(?=\/)/, homedir()));
  };
  const servers = text(flags.nats, env["NATS_URL"], context.url);
  if (!servers) throw new UsageError("Name the server: --nats nats://HOST:4222, or NATS_URL in the environment");
  const [caFile, certFile, keyFile] = [
    path(flags["tls-ca"], "NATS_CA", context.ca),
    path(flags["tls-cert"], "NATS_CERT", context.cert),
    path(flags["tls-key"], "NATS_KEY", context.key),
  ];
  const isFirst = flags["tls-first"] ?? context.tls_first;
  return {
    servers,
    user: text(env["NATS_USER"], context.user),
    password: text(env["NATS_PASSWORD"], context.password),
    token: text(env["NATS_TOKEN"], context.token),
    credsFile: path(flags["nats-creds"], "NATS_CREDS", context.creds),
    nkeyFile: path(flags["nats-nkey"], "NATS_NKEY", context.nkey),
    inboxPrefix: text(flags["nats-inbox-prefix"], context.inbox_prefix),
    domain: text(flags["js-domain"], context.jetstream_domain),
    tls: caFile || certFile || keyFile || isFirst ? { caFile, certFile, keyFile, isFirst } : undefined,
  };
}

/** Keeps what proves to the server who one is from the tasks, which see the environment. */
export function forgetNatsSecrets(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith("NATS_")) delete process.env[name];
}

/** The queues that `--queue` names. */
export function readQueues(flags: Flags): string[] {
  if (flags.queue === undefined) throw new UsageError("Name the queue of the tasks: --queue NAME");
  const queues = flags.queue.split(",");
  for (const queue of queues) {
    try {
      checkName(queue, "--queue");
    } catch (error) {
      throw new UsageError((error as Error).message);
    }
  }
  return queues;
}

function readContext(name: string): Context {
  if (!/^[\w.-]+$/.test(name)) {
    throw new UsageError(`--nats-context must be the name of a context, got ${excerpt(name)}`);
  }
  const directory = process.env["XDG_CONFIG_HOME"] || join(homedir(), ".config");
  const path = join(directory, "nats", "context", `${name}.json`);
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    // What JSON.parse says would show a part of the file.
    const reason = error instanceof SyntaxError ? "it is not valid JSON" : systemReason(error);
    throw new UsageError(`Cannot read the context ${path}: ${reason}`);
  }
}
