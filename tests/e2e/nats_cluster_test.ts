import { mkdir } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { jetstreamManager } from "@nats-io/jetstream";
import { scaledCount, startTaskrunner, taskFile, waitFor, withTempDirectory } from "../support/helpers.ts";
import {
  assertEachOnce,
  completeLines,
  natsArgs,
  type NatsServer,
  OTHER_RUNTIMES,
  resultsOf,
  startNatsServer,
  startWorker,
  stop,
  stopNatsServer,
  streamsOf,
  withClient,
} from "../support/nats_helpers.ts";
import { test } from "../support/test.ts";

/** Returns ports that are free now. The servers of a cluster must know each other's ports before they start. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const listen = (server: Server) => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  await Promise.all(servers.map(listen));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A cluster of three servers that can be restarted one by one. */
class Cluster {
  readonly servers: NatsServer[] = [];
  readonly #directory: string;
  #routes: string[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  async start(): Promise<void> {
    for (let tries = 5; this.servers.length < 3; tries--) {
      this.#routes = (await freePorts(3)).map((port) => `nats://127.0.0.1:${port}`);
      const started = await Promise.allSettled([0, 1, 2].map((index) => this.startServer(index)));
      const failed = started.find(({ status }) => status === "rejected") as PromiseRejectedResult | undefined;
      if (!failed) break;
      await this.stop(); // another program may have taken a port
      if (tries === 1) throw failed.reason;
    }
    await waitFor("a leader", async () => await streamsOf(this.servers[0]!).then(() => true, () => false));
  }

  async startServer(index: number): Promise<void> {
    const directory = join(this.#directory, `server-${index}`);
    await mkdir(directory, { recursive: true });
    const names = ["-n", `n${index}`, "--cluster_name", "test"];
    const routes = ["--cluster", this.#routes[index]!, "--routes", this.#routes.join(",")];
    this.servers[index] = await startNatsServer(directory, [...names, ...routes], this.servers[index]?.port);
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.splice(0).filter((server) => server).map((server) => stopNatsServer(server)));
  }

  get urls(): string {
    return this.servers.map(({ url }) => url).join(",");
  }

  /** Returns the index of the server that leads the stream of the only run. */
  async leader(): Promise<number> {
    let name = "";
    await waitFor("a leader of the run", async () => {
      try {
        const [stream] = (await streamsOf(this.servers[0]!)).filter((name) => name.startsWith("taskrunner_"));
        await withClient(this.servers[0]!, async (client) => {
          const { config, cluster } = await (await jetstreamManager(client)).streams.info(stream!);
          assertEquals([config.num_replicas, cluster?.replicas?.length], [3, 2]);
          name = cluster?.leader ?? "";
        });
      } catch (error) {
        if (!["TimeoutError", "JetStreamNotEnabled"].includes((error as Error).name)) throw error;
      }
      return name;
    });
    return Number(name.slice(1));
  }
}

test(
  "a run with three replicas loses nothing when the leader of its stream is killed",
  { timeout: 300_000 },
  async (context) => {
    await withTempDirectory(async (directory) => {
      const cluster = new Cluster(directory);
      try {
        await cluster.start();
        const urls = cluster.urls;
        const workers = await Promise.all(OTHER_RUNTIMES.map((runtime) => startWorker(urls, { runtime })));
        const count = scaledCount(3_000);
        const tasks = Array.from({ length: count }, (_, id) => ({ id, cmd: `echo ${id}` }));
        const output = join(directory, "results.jsonl");
        const file = await taskFile(directory, tasks);
        const running = startTaskrunner([
          ...natsArgs({ url: urls }, file, "-o", output, "--nats-replicas", "3", "--ack-wait", "5s"),
        ]);
        let [seen, seenMs, pauseMs] = [0, 0, 0];
        const has = (wanted: number) => async () => {
          const { length } = await completeLines(output);
          if (length > seen) {
            if (seen > 0) pauseMs = Math.max(pauseMs, performance.now() - seenMs);
            [seen, seenMs] = [length, performance.now()];
          }
          return length >= wanted;
        };
        await waitFor("a sixth of the results", has(count / 6));
        const leader = await cluster.leader();
        await stopNatsServer(cluster.servers[leader]!);
        await waitFor("half of the results", has(count / 2));
        await cluster.startServer(leader);
        await waitFor("all results", has(count));
        const { status, stderr } = await running.ended;
        assertEquals(status, 0, stderr);
        assertMatch(stderr, new RegExp(`${count.toLocaleString("en")} tasks in .*${count.toLocaleString("en")} ok`));
        assertEachOnce(await resultsOf(output), count);
        context.diagnostic(`the longest time without a result was ${(pauseMs / 1000).toFixed(1)} s`);
        await Promise.all(workers.map(stop));
        assertEquals(await streamsOf(cluster.servers[0]!), []);
      } finally {
        await cluster.stop();
      }
    });
  },
);
