import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import {
  jsonLines,
  parseResults,
  PROJECT,
  skipTest,
  start,
  TIMEOUT,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import {
  assertEachOnce,
  COMMANDS,
  completeLines,
  OTHER_RUNTIMES,
  signal,
  startWorker,
  stop,
} from "../support/nats_helpers.ts";
import { test } from "../support/test.ts";

const ip = (...args: string[]) => execFileSync("ip", args, { stdio: "pipe" });

/** Calls a function with three network namespaces, in which the first is connected to each of the others. */
async function withNetworks(use: (networks: [string, string, string]) => Promise<void>): Promise<void> {
  const id = `taskrunner-${process.pid}-${randomBytes(4).toString("hex")}`;
  const networks: [string, string, string] = [`${id}-0`, `${id}-1`, `${id}-2`];
  try {
    for (const network of networks) {
      ip("netns", "add", network);
      ip("-n", network, "link", "set", "lo", "up");
    }
    for (const number of [1, 2]) {
      const [hub, edge] = [networks[0], networks[number]!];
      ip("link", "add", `to${number}`, "netns", hub, "type", "veth", "peer", "name", "eth0", "netns", edge);
      ip("-n", hub, "address", "add", `10.0.${number}.1/24`, "dev", `to${number}`);
      ip("-n", edge, "address", "add", `10.0.${number}.2/24`, "dev", "eth0");
      ip("-n", hub, "link", "set", `to${number}`, "up");
      ip("-n", edge, "link", "set", "eth0", "up");
    }
    await use(networks);
  } finally {
    for (const network of networks) spawnSync("ip", ["netns", "delete", network]);
  }
}

/** Returns the reason why network namespaces cannot be created; `false` when they can. */
function networkProblem(): string | false {
  const name = `taskrunner-${process.pid}-${randomBytes(4).toString("hex")}`;
  const { status, stderr, error } = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" });
  if (status !== 0) return `ip netns add: ${error?.message ?? stderr}`;
  ip("netns", "delete", name);
  return false;
}

const problem = networkProblem();
if (problem) skipTest(problem);
const options = { ...TIMEOUT, skip: problem };

test("a worker resumes after a network partition, and its tasks run on another worker", options, async () => {
  await withTempDirectory(async (directory) => {
    await withNetworks(async ([hub, ...edges]) => {
      const inside = (network: string) => ["ip", "netns", "exec", network];
      const path = (name: string) => join(directory, name);
      const server = ["nats-server", "-js", "-a", "0.0.0.0", "-p", "4222", "-sd", path("js")];
      const serving = start("ip", [...inside(hub).slice(1), ...server]);
      const workers = await Promise.all(edges.map((network, index) => {
        return startWorker(`nats://10.0.${index + 1}.1:4222`, {
          runtime: OTHER_RUNTIMES[index]!,
          prefix: inside(network),
        });
      }));
      const [program, ...args] = [...inside(hub), ...COMMANDS[OTHER_RUNTIMES[0]!]!, join(PROJECT, "cli.ts"), "-"];
      const nats = ["--nats", "nats://127.0.0.1:4222", "--queue", "q", "--ack-wait", "1s"];
      const run = start(program!, [...args, ...nats, "-o", path("results.jsonl")]);
      const results = async () => parseResults((await completeLines(path("results.jsonl"))).join("\n"));

      // Eight tasks, four on each worker, which wait for a file.
      const first = `echo $TASKRUNNER_ID >> ${path("begun")}; until [ -e ${path("go")} ]; do sleep 0.01; done`;
      const tasks = (from: number, cmd: string) => {
        return jsonLines(Array.from({ length: 8 }, (_, index) => ({ id: from + index, cmd })));
      };
      run.child.stdin!.write(tasks(0, `${first}; echo $TASKRUNNER_ID`));
      await waitFor("eight tasks", async () => (await completeLines(path("begun"))).length === 8);
      ip("-n", hub, "link", "set", "to1", "down");
      await writeFile(path("go"), "");
      await waitFor("the results of all", async () => (await results()).length === 8);
      const [disconnected, other] = workers as [typeof workers[0], typeof workers[0]];
      assertEquals(new Set((await results()).map(({ worker }) => worker!.pid)), new Set([other!.child.pid!]));
      assertEquals((await completeLines(path("begun"))).length, 12);

      // Eight further tasks, which end only when all of them run, on both workers.
      ip("-n", hub, "link", "set", "to1", "up");
      await mkdir(path("together"));
      const together = `: > ${path("together")}/$TASKRUNNER_ID; until [ $(ls ${
        path("together")
      } | wc -l) = 8 ]; do sleep 0.01; done`;
      run.child.stdin!.end(tasks(8, `${together}; echo $TASKRUNNER_ID`));
      const { status, stderr } = await run.ended;
      assertEquals(status, 0, stderr);
      assertEachOnce(await results(), 16);
      const later = (await results()).slice(8).map(({ worker }) => worker!.pid);
      assertEquals(new Set(later), new Set([disconnected!.child.pid!, other!.child.pid!]));
      await Promise.all(workers.map(stop));
      signal(serving, "SIGKILL");
      await serving.ended;
    });
  });
});
