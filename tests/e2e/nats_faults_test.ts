import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { run, type RunOptions, type Task, TaskRunner } from "../../mod.ts";
import { natsExecutor, Worker } from "../../nats/mod.ts";
import { listRuns, removeRun } from "../../nats/client/runs.ts";
import { collect, isAlive, waitFor, withTempDirectory } from "../support/helpers.ts";
import {
  completeLines,
  type NatsServer,
  startNatsServer,
  stopNatsServer,
  streamsOf,
  withClient,
  withNatsServer,
  withWorker,
} from "../support/nats_helpers.ts";
import { test } from "../support/test.ts";

const attemptsOf = async ({ url }: NatsServer) => (await listRuns({ servers: url }))[0]?.attempts;

const removeTheRun = async ({ url }: NatsServer) => {
  const [remote] = await listRuns({ servers: url });
  await removeRun({ servers: url }, remote!);
};

test("a run that is removed while its input stalls ends with an error", async () => {
  await withNatsServer(async (server) => {
    const { promise: never } = Promise.withResolvers<void>();
    async function* tasks(): AsyncGenerator<Task> {
      yield { cmd: "true" };
      await never;
    }
    await withWorker(server, async () => {
      const results = run(tasks(), { executor: natsExecutor({ servers: server.url, queue: "q" }) });
      assertEquals((await results.next()).value?.outcome, "ok");
      const next = results.next();
      next.catch(() => {});
      await removeTheRun(server);
      await assertRejects(() => next, Error, "the run was removed from the server");
      assertEquals(await streamsOf(server), []);
    });
  });
});

test("a run that is removed while a task waits for its retry ends with an error", async () => {
  await withNatsServer(async (server) => {
    await withWorker(server, async () => {
      const results = collect(run([{ cmd: "exit 3", retries: 1 }], {
        executor: natsExecutor({ servers: server.url, queue: "q" }),
        retry: { delayMs: 3_600_000 },
      }));
      results.catch(() => {});
      await waitFor("the first attempt", async () => (await listRuns({ servers: server.url }))[0]?.results === 1);
      await removeTheRun(server);
      await assertRejects(() => results, Error, "the run was removed from the server");
    });
  });
});

test("a run that is stopped while it sends a large task ends, and leaves nothing on the server", async () => {
  await withNatsServer(async (server) => {
    const stop = new AbortController();
    const tasks = Array.from({ length: 8 }, () => ({ cmd: "wc -c", stdin: "x".repeat(10_000_000) }));
    const all = collect(
      run(tasks, { executor: natsExecutor({ servers: server.url, queue: "q" }), signal: stop.signal }),
    );
    all.catch(() => {});
    await withClient(server, async (client) => {
      const chunks = client.subscribe("$O.*.C.>", { max: 1 });
      for await (const _ of chunks) stop.abort(new Error("enough"));
    });
    await assertRejects(() => all, Error, "enough");
    assertEquals(await streamsOf(server), []);
  });
});

test("a worker with a running task takes new tasks after the server was unresponsive", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      const path = (name: string) => join(directory, name);
      let more = Promise.withResolvers<void>();
      async function* tasks(): AsyncGenerator<Task> {
        yield { id: "long", cmd: `: > ${path("long")}; until [ -e ${path("go")} ]; do sleep 0.05; done` };
        await more.promise;
        for (let id = 1; id <= 6; id++) yield { id, cmd: "true" };
      }
      const results = run(tasks(), { executor: natsExecutor({ servers: server.url, queue: "q" }) });
      const first = results.next();
      await waitFor("the long task", () => existsSync(path("long")));
      // Longer than a request for tasks waits, including the time that the client adds.
      process.kill(server.process.pid!, "SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 7_000));
      process.kill(server.process.pid!, "SIGCONT");
      more.resolve();
      const ids = [(await first).value?.id];
      while (ids.length < 6) ids.push((await results.next()).value?.id);
      assertEquals(ids.sort(), ["1", "2", "3", "4", "5", "6"]);
      await writeFile(path("go"), "");
      assertEquals((await results.next()).value?.id, "long");
      more = Promise.withResolvers();
      assertEquals((await results.next()).done, true);
    }, { concurrency: 3 });
  });
});

test("tasks that are sent or end while the server is down run once and are not lost", async () => {
  await withTempDirectory(async (directory) => {
    const path = (name: string) => join(directory, name);
    let server = await startNatsServer(directory);
    const lost = Promise.withResolvers<void>();
    const onNotice = (text: string) => text.includes("is lost") && lost.resolve();
    const cmd = `echo >> ${path("begun")}; until [ -e ${path("go")} ]; do sleep 0.01; done; echo >> ${path("ended")}`;
    const more = Promise.withResolvers<void>();
    async function* tasks(): AsyncGenerator<Task> {
      for (let number = 0; number < 4; number++) yield { cmd };
      await more.promise;
      for (let number = 0; number < 4; number++) yield { cmd };
    }
    await withWorker(server, async () => {
      const all = collect(run(tasks(), { executor: natsExecutor({ servers: server.url, queue: "q", onNotice }) }));
      await waitFor("the tasks", async () => (await completeLines(path("begun"))).length === 4);
      await stopNatsServer(server);
      await lost.promise;
      await writeFile(path("go"), "");
      more.resolve();
      await waitFor("the tasks to end", async () => (await completeLines(path("ended"))).length === 4);
      server = await startNatsServer(directory, [], server.port);
      assertEquals((await all).map(({ outcome }) => outcome), Array(8).fill("ok"));
      assertEquals((await completeLines(path("begun"))).length, 8);
    });
    await stopNatsServer(server);
  });
});

test("more replicas than the server supports are an error at once", async () => {
  await withNatsServer(async (server) => {
    const options: RunOptions = { executor: natsExecutor({ servers: server.url, queue: "q", replicas: 3 }) };
    await assertRejects(() => collect(run([{ cmd: "true" }], options)), Error, "replicas > 1 not supported");
    assertEquals(await streamsOf(server), []);
  });
});

test(
  "a run that starts again under the same name is a new run, even for a worker of the old run",
  async () => {
    await withNatsServer(async (server, directory) => {
      const path = join(directory, "begun");
      const nats = { servers: server.url, queue: "q", run: "same" };
      await withWorker(server, async () => {
        const cmd = `echo $$ >> ${path}; exec sleep 300`;
        const old = collect(run([{ cmd }], { executor: natsExecutor(nats) }));
        old.catch(() => {});
        await waitFor("the task", async () => (await completeLines(path)).length === 1);
        const tasks = Array.from({ length: 20 }, (_, id) => ({ id, cmd: `echo ${id}` }));
        const results = await collect(run(tasks, { executor: natsExecutor(nats) }));
        assertEquals(results.map(({ stdout }) => stdout).sort(), tasks.map(({ id }) => `${id}\n`).sort());
        await assertRejects(() => old, Error, "the run was removed from the server");
        const [pid] = await completeLines(path);
        await waitFor("the old task to end", () => !isAlive(Number(pid)));
      });
      assertEquals(await streamsOf(server), []);
    });
  },
);

test("a resumed run keeps the ackWaitMs of its workers", async () => {
  await withNatsServer(async (server, directory) => {
    const path = join(directory, "begun");
    const tasks = [{ cmd: `echo >> ${path}; until [ -e ${directory}/go ]; do sleep 0.05; done` }];
    const nats = { servers: server.url, queue: "q", run: "r" };
    await withWorker(server, async () => {
      const left = collect(run(tasks, { executor: natsExecutor({ ...nats, ackWaitMs: 60_000 }) }));
      left.catch(() => {});
      await waitFor("the task", async () => (await completeLines(path)).length === 1);
      const results = collect(run(tasks, { executor: natsExecutor({ ...nats, resume: true, ackWaitMs: 1_000 }) }));
      await withClient(server, async (client) => {
        const manager = await jetstreamManager(client);
        const stream = (await streamsOf(server)).find((name) => name.startsWith("taskrunner_"))!;
        await waitFor("the run to resume", async () => {
          const { config } = await manager.consumers.info(stream, "tasks");
          return config.ack_wait === 60_000e6 && (await manager.streams.info(stream)).state.messages >= 2;
        });
      });
      await writeFile(join(directory, "go"), "");
      assertEquals((await results)[0]?.outcome, "ok");
      assertEquals((await completeLines(path)).length, 1);
      await assertRejects(() => left, Error, "another run with --resume has taken over this run");
    });
  });
});

test("a run that was killed during its creation is created again when it resumes", async () => {
  await withNatsServer(async (server) => {
    await withClient(server, async (client) => {
      const manager = await jetstreamManager(client);
      await manager.streams.add({ name: "taskrunner_q_r_0123", subjects: ["taskrunner.q.r.>"] });
    });
    await withWorker(server, async () => {
      const nats = { servers: server.url, queue: "q", run: "r", resume: true };
      assertEquals((await collect(run([{ cmd: "true" }], { executor: natsExecutor(nats) })))[0]?.outcome, "ok");
    });
    assertEquals(await streamsOf(server), []);
  });
});

test("tasks that workers return do not count as redelivered after a loss", async () => {
  await withNatsServer(async (server) => {
    const tasks = Array.from({ length: 300 }, (_, id) => ({ id, cmd: "sleep 0.01" }));
    const all = collect(run(tasks, { executor: natsExecutor({ servers: server.url, queue: "q" }) }));
    for (let time = 0; time < 8; time++) {
      await withWorker(server, async (worker) => await worker.connected, { concurrency: 2, maxRedeliveries: 1 });
    }
    await withClient(server, async (client) => {
      // Delivers tasks that no worker begins.
      const manager = await jetstreamManager(client);
      await waitFor("the run", async () => await attemptsOf(server) === 300);
      const stream = (await streamsOf(server)).find((name) => name.startsWith("taskrunner_"))!;
      const consumer = await jetstream(client).consumers.get(stream, "tasks");
      for (let time = 0; time < 3; time++) {
        const messages = await consumer.fetch({ max_messages: 100, expires: 1_000 });
        for await (const message of messages) message.nak();
      }
      assert((await manager.consumers.info(stream, "tasks")).delivered.consumer_seq >= 300);
    });
    await withWorker(server, async () => {
      const results = await all;
      assertEquals(results.filter(({ outcome }) => outcome !== "ok"), []);
      assertEquals(results.length, 300);
    }, { maxRedeliveries: 3 });
  });
});

test("invalid messages from other clients do not affect a run", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      const cmd = `: > ${directory}/begun; until [ -e ${directory}/go ]; do sleep 0.05; done; echo done`;
      const results = run([{ cmd }], { executor: natsExecutor({ servers: server.url, queue: "q" }) });
      const all = collect(results);
      await waitFor("the task", () => existsSync(join(directory, "begun")));
      await withClient(server, async (client) => {
        const [remote] = await listRuns({ servers: server.url });
        const subject = `taskrunner.q.${remote!.run}`;
        for (const text of ["", "{", "null", '"x"', "[]", '{"killAfterMs":"x"}']) {
          client.publish(`${subject}.control`, text);
          client.publish("taskrunner.q.x.changed", text);
          client.publish(`${subject}.result.x`, text);
        }
        const questions = client.subscribe(`${subject}.control`, { max: 4 });
        await client.flush();
        results.drain(); // makes the run ask its workers for their running tasks
        const replies = ["{", '{"running":7}', "null", "7"];
        for await (const question of questions) question.respond(replies.pop());
        await writeFile(join(directory, "go"), "");
        const [result] = await all;
        assertEquals([result?.outcome, result?.stdout], ["ok", "done\n"]);
      });
    });
  });
});

test("two runs that share a worker do not wait for returned tasks", async () => {
  await withNatsServer(async (server) => {
    await withWorker(server, async () => {
      const startedMs = performance.now();
      const tasks = Array.from({ length: 100 }, (_, id) => ({ id, cmd: "sleep 0.02" }));
      const nats = { servers: server.url, ackWaitMs: 60_000 };
      const runs = ["q", "r"].map((queue) => collect(run(tasks, { executor: natsExecutor({ ...nats, queue }) })));
      for (const results of await Promise.all(runs)) assertEquals(results.length, 100);
      const seconds = (performance.now() - startedMs) / 1000;
      assert(seconds < 50, `it took ${seconds} s`); // an unacknowledged task would return after 60 s
    }, { queues: ["q", "r"] });
  });
});

test("a server without storage for the tasks is an error", async () => {
  await withNatsServer(
    async (server) => {
      const nats = { servers: server.url, queue: "q" };
      const tasks = Array.from({ length: 20 }, () => ({ cmd: "wc -c", stdin: "x".repeat(600_000) }));
      await assertRejects(
        () => collect(run(tasks, { executor: natsExecutor(nats) })),
        Error,
        "The NATS server is out of storage",
      );
      assertEquals(await streamsOf(server), []);
    },
    [],
    "jetstream { max_file_store: 8MB }",
  );
});

test("an error from onNotice ends the run", async () => {
  await withNatsServer(async (server) => {
    const nats = { servers: server.url, queue: "q", run: "r" };
    const onNotice = () => {
      throw new Error("enough");
    };
    const all = collect(run([{ cmd: "true" }], { executor: natsExecutor({ ...nats, onNotice }) }));
    all.catch(() => {});
    await waitFor("the task", async () => await attemptsOf(server) === 1);
    await withClient(server, (client) => Promise.resolve(client.publish("taskrunner.q.r.full")));
    await assertRejects(() => all, Error, "enough");
    assertEquals(await streamsOf(server), []);
  });
});

test("a login that is no longer valid ends the run and the worker with an error", async () => {
  await withTempDirectory(async (directory) => {
    const login = (password: string) => ["--user", "me", "--pass", password];
    let server = await startNatsServer(directory, login("first-word"));
    try {
      const nats = { servers: server.url, user: "me", password: "first-word" };
      const worker = new Worker({ nats, queues: ["q"], concurrency: 1 });
      const working = worker.run();
      working.catch(() => {});
      const all = collect(
        run([{ cmd: `echo $$ > ${directory}/pid; exec sleep 300` }], {
          executor: natsExecutor({ ...nats, queue: "q" }),
        }),
      );
      all.catch(() => {});
      await waitFor("the task", async () => (await completeLines(join(directory, "pid"))).length === 1);
      await stopNatsServer(server);
      server = await startNatsServer(directory, login("second-word"), server.port);
      const what = "The connection to NATS was closed: the server rejected the login";
      await assertRejects(() => all, Error, what);
      await assertRejects(() => working, Error, what);
      assertEquals(isAlive(Number(await readFile(join(directory, "pid"), "utf8"))), false);
    } finally {
      await stopNatsServer(server);
    }
  });
});

for (const forbidden of ["taskrunner.*.*.result.*", "$JS.ACK.>"]) {
  test(`a worker without permission for ${forbidden} ends with an error and runs no task twice`, async () => {
    const users = `authorization { users: [
      { user: me, password: "a-word" }
      { user: worker, password: "a-word", permissions: { publish: { deny: "${forbidden}" } } }
    ] }`;
    await withNatsServer(
      async (server, directory) => {
        const nats = { servers: server.url, password: "a-word" };
        const worker = new Worker({ nats: { ...nats, user: "worker" }, queues: ["q"], concurrency: 1 });
        const working = worker.run();
        working.catch(() => {});
        const path = join(directory, "begun");
        const all = collect(
          run([{ cmd: `echo >> ${path}` }], {
            executor: natsExecutor({ ...nats, user: "me", queue: "q", ackWaitMs: 500 }),
          }),
        );
        const subject = forbidden.slice(0, forbidden.search(/[*>]/));
        await assertRejects(() => working, Error, `Permissions Violation for Publish to "${subject}`);
        const begun = (await completeLines(path)).length;
        const mayBeNone = forbidden === "$JS.ACK.>"; // the server may reject a heartbeat before the task begins
        assert(begun === 1 || begun === 0 && mayBeNone, `${begun} starts`);
        const other = new Worker({ nats: { ...nats, user: "me" }, queues: ["q"], concurrency: 1 });
        const otherWorking = other.run();
        assertEquals((await all)[0]?.outcome, "ok");
        other.drain();
        await otherWorking;
      },
      [],
      users,
    );
  });
}

for (const isolate of [true, false]) {
  const where = isolate ? "in a separate process" : "in this process";
  test(`onNotice reports that the server has no storage for results, with the run ${where}`, async () => {
    await withNatsServer(
      async (server) => {
        await withWorker(server, async () => {
          const notified = Promise.withResolvers<string>();
          const nats = { servers: server.url, queue: "q", onNotice: notified.resolve };
          const runner = new TaskRunner({ executor: natsExecutor(nats), isolate });
          try {
            for (let number = 0; number < 8; number++) runner.add({ cmd: "yes | head -c 900000" });
            const running = runner.runAndWait();
            const notice = await Promise.race([notified.promise, running]);
            assertEquals(notice, "the server is out of storage; results wait at their workers until space is free");
            await removeTheRun(server);
            await assertRejects(() => running, Error, "the run was removed from the server");
          } finally {
            await runner[Symbol.asyncDispose]();
          }
        });
      },
      [],
      "jetstream { max_file_store: 4MB }",
    );
  });
}
