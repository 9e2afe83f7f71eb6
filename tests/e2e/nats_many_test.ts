import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import {
  RUNTIME,
  scaledCount,
  startTaskrunner,
  taskFile,
  taskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import {
  assertEachOnce,
  completeLines,
  natsArgs,
  OTHER_RUNTIMES,
  resultsOf,
  signal,
  startNatsServer,
  startWorker,
  stop,
  stopNatsServer,
  withNatsServer,
} from "../support/nats_helpers.ts";
import { test } from "../support/test.ts";

/** Long enough for thousands of tasks. */
const TIMEOUT = { timeout: 300_000 };

test("tasks submitted by one runtime run once each on workers of the other two", TIMEOUT, async () => {
  await withNatsServer(async (server, directory) => {
    const workers = await Promise.all(OTHER_RUNTIMES.map((runtime) => startWorker(server.url, { runtime })));
    const count = scaledCount(5_000);
    const tasks = Array.from({ length: count }, (_, id) => ({ id, cmd: `echo ${id}` }));
    const { status, results, stderr } = await taskrunner(natsArgs(server, await taskFile(directory, tasks)));
    assertEquals([status, stderr], [0, ""]);
    assertEachOnce(results, count);
    const pids = new Set(results.map(({ worker }) => worker!.pid));
    assertEquals(pids, new Set(workers.map(({ child }) => child.pid!)));
    await Promise.all(workers.map(stop));
    assertEquals((await taskrunner(["runs", "ls"], { env: { NATS_URL: server.url } })).stdout, "");
  });
});

test(
  "each task has one result after workers, the server and the run are killed and resumed",
  TIMEOUT,
  async (context) => {
    await withTempDirectory(async (directory) => {
      const count = scaledCount(3_000);
      let server = await startNatsServer(directory);
      const restart = async () => {
        await stopNatsServer(server);
        server = await startNatsServer(directory, [], server.port);
      };
      try {
        const workers = await Promise.all(
          [...OTHER_RUNTIMES, RUNTIME].map((runtime) => startWorker(server.url, { runtime })),
        );
        const cmd = `echo $TASKRUNNER_ID >> ${directory}/ran; sleep 0.02; echo $TASKRUNNER_ID`;
        const tasks = await taskFile(directory, Array.from({ length: count }, (_, id) => ({ id, cmd })));
        const output = join(directory, "results.jsonl");
        const args = natsArgs(server, tasks, "-o", output, "--ack-wait", "2s");
        const has = (part: number) => async () => (await completeLines(output)).length >= part * count;
        const first = startTaskrunner(args);
        await waitFor("a sixth of the results", has(1 / 6));
        signal(workers[0]!, "SIGKILL");
        signal(workers[1]!, "SIGSTOP");
        await restart();
        await waitFor("a third of the results", has(1 / 3));
        signal(first, "SIGKILL");
        await first.ended;
        const second = startTaskrunner([...args, "--resume", "--quiet"]);
        await waitFor("two thirds of the results", has(2 / 3));
        await restart();
        signal(workers[1]!, "SIGCONT");
        const { status } = await second.ended;
        assertEquals(status, 0, second.output.stderr);
        assertEachOnce(await resultsOf(output), count);
        const ran = (await readFile(join(directory, "ran"), "utf8")).trim().split("\n").length;
        // Tasks start again after the loss of a worker (four each), and when a killed server has forgotten deliveries.
        assert(ran >= count && ran <= count + 60, `${ran} starts`);
        context.diagnostic(`${ran - count} of ${count} tasks started more than once`);
        await Promise.all(workers.slice(1).map(stop));
      } finally {
        await stopNatsServer(server);
      }
    });
  },
);
