/** A NATS server and workers on this machine. @module */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { hasCommand } from "./programs.ts";
import type { ServiceOptions, Services } from "./row.ts";
import { RUNTIME_NAMES, RUNTIMES, taskrunnerCommand } from "./runtimes.ts";

const POLL_MS = 10;

/** A process that can be ended. */
interface Service {
  stop: () => Promise<void>;
}

/** Starts a server, and a worker with 16 slots and the queue `bench-RUNTIME` on each runtime. */
export async function startNats({ directory, packageDirectory }: ServiceOptions): Promise<Services> {
  if (!hasCommand("nats-server")) return { env: {}, stop: () => Promise.resolve() };
  const server = await startServer(await mkdtemp(join(directory, "nats-")));
  const workers = await Promise.all(
    RUNTIME_NAMES.filter((runtime) => hasCommand(RUNTIMES[runtime]![0]!)).map((runtime) =>
      startWorker([
        ...taskrunnerCommand(runtime, packageDirectory),
        "worker",
        ...["--nats", server.url, "--queue", `bench-${runtime}`, "-j", "16"],
      ])
    ),
  );
  return {
    env: { NATS_URL: server.url },
    stop: async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
      await server.stop();
    },
  };
}

/** Starts a server, and waits until it accepts connections. */
async function startServer(directory: string): Promise<Service & { url: string }> {
  const server = spawn(
    "nats-server",
    ["-js", "-a", "127.0.0.1", "-p", "-1", "-sd", join(directory, "js"), "--ports_file_dir", directory],
    { stdio: "ignore" },
  );
  while (server.exitCode === null) {
    const file = (await readdir(directory)).find((name) => name.endsWith(".ports"));
    const text = file ? await readFile(join(directory, file), "utf8") : "";
    if (text) return { url: JSON.parse(text).nats[0], stop: () => end(server) };
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`nats-server exited with ${server.exitCode}`);
}

/** Starts a worker, and waits until it reports that it is ready. */
async function startWorker([program, ...args]: readonly string[]): Promise<Service> {
  const worker = spawn(program!, args, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(worker, "exit").then(([status]) => Promise.reject(new Error(`The worker exited with ${status}`)));
  await Promise.race([once(worker.stderr, "data"), ended]);
  ended.catch(() => {}); // a worker that ends later is stopped, or its tasks fail
  worker.stderr.resume();
  return { stop: () => end(worker) };
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve();
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill();
  return ended;
}
