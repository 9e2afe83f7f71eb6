/** Flags of NATS, and the connection options that they make. @module */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { excerpt } from "../../text/excerpt.ts";
import { homeDirectory } from "../../system/home_directory.ts";
import { systemReason } from "../../system/system_error.ts";
import type { NatsConnectionOptions } from "../../nats/client/options.ts";
import type { Flag, Flags, FlagValues } from "./flag.ts";
import { text } from "./units.ts";
import { UsageError } from "./usage_error.ts";

/** The server and its default. */
export const SERVER_FLAG = {
  unit: text("URL"),
  help: "NATS server, such as nats://HOST:4222",
  default: "$NATS_URL",
} as const satisfies Flag;

/** Flags of the login and of TLS. */
export const LOGIN_FLAGS = {
  "nats-context": {
    topic: "nats",
    unit: text("NAME"),
    help: "context of the nats command to connect with",
    default: "$NATS_CONTEXT",
  },
  "nats-creds": { topic: "nats", unit: text("FILE", "file"), help: "credentials file", default: "$NATS_CREDS" },
  "nats-nkey": {
    topic: "nats",
    unit: text("FILE", "file"),
    help: "file with the seed of an nkey",
    default: "$NATS_NKEY",
  },
  "nats-inbox-prefix": {
    topic: "nats",
    unit: text("NAME"),
    help: "prefix of the subjects for replies",
    default: "_INBOX",
  },
  "js-domain": { topic: "nats", unit: text("NAME"), help: "JetStream domain" },
  "tls-ca": {
    topic: "nats",
    unit: text("FILE", "file"),
    help: "CA certificates to verify the server with",
    default: "$NATS_CA",
  },
  "tls-cert": { topic: "nats", unit: text("FILE", "file"), help: "client certificate", default: "$NATS_CERT" },
  "tls-key": {
    topic: "nats",
    unit: text("FILE", "file"),
    help: "private key of the client certificate",
    default: "$NATS_KEY",
  },
  "tls-first": { topic: "nats", help: "start TLS before the server sends its INFO message" },
} as const satisfies Flags;

/** Flags of the connection to a NATS server. */
export const CONNECTION_FLAGS = { nats: SERVER_FLAG, ...LOGIN_FLAGS } as const satisfies Flags;

/** The fields of a context file of the `nats` command that taskrunner reads. */
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
 * Returns the connection options. Each comes from its flag, else from its environment variable, else from the context file
 * that `--nats-context` or `NATS_CONTEXT` names. Secrets have no flags, because every user of the machine can read the
 * arguments of a process.
 *
 * @throws {UsageError} when there is no server, or the context cannot be read.
 */
export function readNatsConnection(flags: FlagValues<typeof CONNECTION_FLAGS>): NatsConnectionOptions {
  const { env } = process;
  const contextName = flags["nats-context"] || env["NATS_CONTEXT"];
  const context: Context = contextName ? readContext(contextName) : {};
  // An empty value is not set: the nats command writes all fields into a context.
  const first = (...values: (string | undefined)[]) => values.find((value) => value);
  const path = (flag: string | undefined, variable: string, field: string | undefined) => {
    return first(flag, env[variable], field?.replace(/^~(?=\/)/, homeDirectory() ?? "~"));
  };
  const servers = first(flags.nats, env["NATS_URL"], context.url);
  if (!servers) throw new UsageError("Missing --nats URL: give a server such as nats://HOST:4222, or set NATS_URL");
  const [caFile, certFile, keyFile] = [
    path(flags["tls-ca"], "NATS_CA", context.ca),
    path(flags["tls-cert"], "NATS_CERT", context.cert),
    path(flags["tls-key"], "NATS_KEY", context.key),
  ];
  const isFirst = flags["tls-first"] ?? context.tls_first;
  return {
    servers,
    user: first(env["NATS_USER"], context.user),
    password: first(env["NATS_PASSWORD"], context.password),
    token: first(env["NATS_TOKEN"], context.token),
    credsFile: path(flags["nats-creds"], "NATS_CREDS", context.creds),
    nkeyFile: path(flags["nats-nkey"], "NATS_NKEY", context.nkey),
    inboxPrefix: first(flags["nats-inbox-prefix"], context.inbox_prefix),
    domain: first(flags["js-domain"], context.jetstream_domain),
    tls: caFile || certFile || keyFile || isFirst ? { caFile, certFile, keyFile, isFirst } : undefined,
  };
}

/** Removes the variables of NATS from the environment, so that tasks do not inherit its secrets. */
export function removeNatsSecrets(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith("NATS_")) delete process.env[name];
}

/**
 * Returns the names of `--queue`, separated by commas.
 *
 * @throws {UsageError} when the flag is missing, or a name is invalid.
 */
export async function readQueues(queue: string | undefined): Promise<string[]> {
  if (queue === undefined) throw new UsageError("Missing --queue NAME");
  const { checkName } = await import("../../nats/client/options.ts");
  const queues = queue.split(",");
  for (const name of queues) {
    try {
      checkName(name, "--queue");
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
  const home = homeDirectory();
  const directory = process.env["XDG_CONFIG_HOME"] || (home && join(home, ".config"));
  if (!directory) {
    const remedy = "set HOME, or XDG_CONFIG_HOME to the directory that contains nats/context";
    throw new UsageError(`Cannot read the NATS context ${name}: this user has no home directory; ${remedy}`);
  }
  const path = join(directory, "nats", "context", `${name}.json`);
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    // The message of JSON.parse would show a part of the file.
    const reason = error instanceof SyntaxError ? "it is not valid JSON" : systemReason(error);
    throw new UsageError(`Cannot read the NATS context ${path}: ${reason}`);
  }
}
