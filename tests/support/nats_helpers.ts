/** Helpers for tests of runs over NATS. @module */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { afterEach } from "node:test";
import { assertEquals } from "@std/assert/equals";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { TaskResult } from "../../mod.ts";
import { Worker, type WorkerOptions } from "../../nats/mod.ts";
import {
  parseResults,
  PROJECT,
  RUNTIME,
  SkippedTestError,
  start,
  type Started,
  waitFor,
  withTempDirectory,
} from "./helpers.ts";
import { hasProgram } from "./programs.ts";

/** A running NATS server. */
export interface NatsServer {
  url: string;
  port: number;
  process: ChildProcess;
}

const servers = new Set<ChildProcess>();
afterEach(() => {
  for (const server of servers) server.kill("SIGKILL"); // a test that timed out has not stopped its servers
});

/** Starts a NATS server with JetStream data in a directory, on a free port or, to restart a server, on `port`. */
export async function startNatsServer(
  directory: string,
  args: readonly string[] = [],
  port = -1,
  env: Readonly<Record<string, string>> = {},
  jetStream: readonly string[] = ["-js", "-sd", join(directory, "js")],
): Promise<NatsServer> {
  if (!hasProgram("nats-server")) throw new SkippedTestError("no nats-server");
  const ports = await mkdtemp(join(directory, "ports-"));
  const all = [...jetStream, "-a", "127.0.0.1", "-p", `${port}`, "--ports_file_dir", ports];
  const child = spawn("nats-server", [...all, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  servers.add(child);
  child.once("exit", () => servers.delete(child));
  let log = "";
  child.stderr!.on("data", (text) => log = `${log}${text}`.slice(-2_000));
  let url = "";
  await waitFor("the NATS server", async () => {
    if (child.exitCode !== null) throw new Error(`nats-server has exited; its log ends with: ${log}`);
    const [file] = (await readdir(ports)).filter((name) => name.endsWith(".ports"));
    if (!file) return false;
    const text = await readFile(join(ports, file), "utf8");
    if (text === "") return false;
    url = JSON.parse(text).nats[0];
    return true;
  });
  return { url, port: Number(new URL(url).port), process: child };
}

/** Stops a server and waits until it has exited. */
export async function stopNatsServer(
  { process: child }: NatsServer,
  signal: NodeJS.Signals = "SIGKILL",
): Promise<void> {
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await exited;
}

/** Calls a function with a NATS server and its directory. */
export async function withNatsServer(
  use: (server: NatsServer, directory: string) => Promise<void>,
  args: readonly string[] = [],
  config = "",
): Promise<void> {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "server.conf");
    await writeFile(path, config);
    const server = await startNatsServer(directory, [...args, "-c", path]);
    try {
      await use(server, directory);
    } finally {
      await stopNatsServer(server);
    }
  });
}

/** Calls a function with a worker on the queue `q`, and drains the worker afterwards. */
export async function withWorker(
  { url }: NatsServer,
  use: (worker: Worker, working: Promise<void>) => Promise<void>,
  options: Partial<WorkerOptions> = {},
): Promise<void> {
  const worker = new Worker({ nats: { servers: url }, queues: ["q"], concurrency: 4, ...options });
  const working = worker.run();
  working.catch(() => {});
  try {
    await use(worker, working);
  } finally {
    worker.drain();
    await working.catch(() => {});
  }
}

/** Calls a function with a plain NATS connection, independent of this project's client. */
export async function withClient({ url }: NatsServer, use: (client: NatsConnection) => Promise<void>): Promise<void> {
  const client = await connect({ servers: url });
  try {
    await use(client);
  } finally {
    await client.close();
  }
}

/** Returns the names of all streams on a server, including those of object stores. */
export async function streamsOf(server: NatsServer): Promise<string[]> {
  let streams: string[] = [];
  await withClient(server, async (client) => {
    streams = await Array.fromAsync((await jetstreamManager(client)).streams.names());
  });
  return streams;
}

/** Returns the first attempt of the only run, as a worker would receive it. */
export async function firstAttempt(server: NatsServer): Promise<{ task: Record<string, unknown> }> {
  let attempt: { value: { task: Record<string, unknown> } } | undefined;
  await withClient(server, async (client) => {
    const { streams } = await jetstreamManager(client);
    await waitFor("the attempt", async () => {
      const stream = (await streamsOf(server)).find((name) => name.startsWith("taskrunner_"));
      if (!stream) return false;
      const { state } = await streams.info(stream, { subjects_filter: ">" });
      const subject = Object.keys(state.subjects ?? {}).find((name) => name.includes(".task."));
      if (subject === undefined) return false;
      attempt = (await streams.getMessage(stream, { last_by_subj: subject }))!.json();
      return true;
    });
  });
  return attempt!.value;
}

/** Publishes a result for the next attempt of the only run, as a worker could. */
export async function recordResult(server: NatsServer, message: unknown): Promise<void> {
  await withClient(server, async (client) => {
    const manager = await jetstreamManager(client);
    let subject: string | undefined;
    await waitFor("the attempt", async () => {
      const stream = (await streamsOf(server)).find((name) => name.startsWith("taskrunner_"));
      if (!stream) return false;
      const { state } = await manager.streams.info(stream, { subjects_filter: ">" });
      const results = Object.keys(state.subjects ?? {}).map((name) => name.replace(".task.", ".result."));
      subject = results.find((name) =>
        name.includes(".result.") && results.filter((other) => other === name).length === 1
      );
      return subject;
    });
    client.publish(subject!, typeof message === "string" ? message : JSON.stringify(message));
    await client.flush();
  });
}

const output = { text: "" };
/** The message of a worker about a task without output that exited with 0. */
export const emptyResult = { ending: { kind: "exited", status: 0 }, durationMs: 1, stdout: output, stderr: output };
/** Returns {@linkcode emptyResult} with another exit status. */
export const resultWithStatus = (status: number) => ({ ...emptyResult, ending: { kind: "exited", status } });

/** Returns the complete lines of a file that may be missing. */
export const completeLines = async (path: string) =>
  (await readFile(path, "utf8").catch(() => "")).split("\n").slice(0, -1);

/** The command of each runtime that runs a module. */
export const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  deno: ["deno", "run", "-A", "--no-check"],
  bun: ["bun"],
  node: ["node"],
};

/** The runtimes that do not run the tests. */
export const OTHER_RUNTIMES = Object.keys(COMMANDS).filter((name) => name !== RUNTIME);

/** Options of {@linkcode startWorker}. */
export interface StartWorkerOptions {
  runtime?: string;
  /** Command that runs the worker, such as `env`. */
  prefix?: readonly string[];
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
}

/** Starts a worker on the queue `q` and waits until it is connected. */
export async function startWorker(
  url: string,
  { runtime = RUNTIME, prefix = [], args = [], env = {} }: StartWorkerOptions = {},
): Promise<Started> {
  const command = [...prefix, ...COMMANDS[runtime]!, join(PROJECT, "cli.ts")];
  const [program, ...rest] = [...command, "worker", "--queue", "q", "-j", "4", ...args];
  const worker = start(program!, rest, { stdin: "", env: { NATS_URL: url, ...env } });
  await waitFor("the worker", () => worker.output.stderr.includes("at once from q"));
  return worker;
}

/** Sends a signal. Does not use `child.kill`, after which Deno attributes any exit to that signal. */
export function signal({ child }: Started, name: NodeJS.Signals): void {
  process.kill(child.pid!, name);
}

/** Stops a worker, and asserts that it exits with 0. */
export async function stop(worker: Started): Promise<void> {
  const { ended, output } = worker;
  signal(worker, "SIGTERM");
  const { status } = await ended;
  assertEquals(status, 0, output.stderr);
}

/** Returns arguments of the command for the queue `q` on a server. */
export const natsArgs = ({ url }: { url: string }, ...args: string[]) => ["--nats", url, "--queue", "q", ...args];

/** Returns the complete results in a file that may still be written. */
export async function resultsOf(path: string): Promise<TaskResult[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return parseResults(text.slice(0, text.lastIndexOf("\n") + 1));
}

/** Asserts that `count` tasks have one result each, with their id as output. */
export function assertEachOnce(results: readonly TaskResult[], count: number): void {
  assertEquals(results.length, count);
  assertEquals(new Set(results.map(({ id }) => id)).size, count);
  for (const { id, outcome, stdout } of results) assertEquals([outcome, stdout], ["ok", `${id}\n`]);
}
