import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import { type EarlierAttempt, run, type RunOptions, type Task, type TaskResult, TaskRunner } from "../../mod.ts";
import { natsExecutor, Worker } from "../../nats/mod.ts";
import { checkReply } from "../../nats/client/check_message.ts";
import { listRuns, removeRun } from "../../nats/client/runs.ts";
import { collect, isAlive, waitFor, withTempDirectory } from "../support/helpers.ts";
import {
  completeLines,
  firstAttempt,
  type NatsServer,
  startNatsServer,
  stopNatsServer,
  withClient,
  withNatsServer,
  withWorker,
} from "../support/nats_helpers.ts";
import { test } from "../support/test.ts";

const optionsFor = ({ url }: NatsServer, options: RunOptions = {}): RunOptions => ({
  ...options,
  executor: natsExecutor({ servers: url, queue: "q" }),
});

/** Returns the fields of a result or an attempt that are equal in two runs of a task, here or on a worker. */
function comparable(
  { slot: _, startedAt: __, durationMs: ___, userMs: ____, systemMs: _____, worker: ______, ...rest }:
    | TaskResult
    | EarlierAttempt,
): object {
  return { ...rest, ...("earlierAttempts" in rest && { earlierAttempts: rest.earlierAttempts?.map(comparable) }) };
}

test("results equal those of a local run, and name their worker", async () => {
  const tasks: Task[] = [
    { cmd: "echo hi; echo oh >&2" },
    { cmd: ["printf", "%s", "$HOME"] },
    { cmd: "exit 3", retries: 1 },
    { cmd: "kill -9 $$" },
    { cmd: "sleep 60", timeoutMs: 50 },
    { cmd: ["no-such-program"] },
    { cmd: "true", cwd: "/no/such/directory" },
    { cmd: "cat; echo $V", stdin: "in\n", env: { V: "é" }, meta: { a: [1] } },
    { cmd: "cat", stdin: Uint8Array.of(0, 255) },
    { cmd: ["cat"], stdin: new Uint8Array(1_500_000), id: "large input" },
    { cmd: "cat", stdin: { file: "/proc/sys/kernel/ostype" } },
    { cmd: "cat", stdinFile: "sys/kernel/ostype", cwd: "/proc" },
    { cmd: "cat", stdinFile: "no such file" },
    { cmd: "printf '\\377'" },
    { cmd: "printf %s caf\udce9; cat", env: { V: "\udcff" }, stdinFile: "missing\udce9" },
    { cmd: ["sh", "-c", 'printf %s "$0$V"', "caf\udce9"], env: { V: "\udcff" } },
    { cmd: ["missing\udce9"] },
    { cmd: "yes", id: "much" },
    { id: "é \0 ' * >", cmd: "echo $TASKRUNNER_ATTEMPT" },
  ];
  const options = { keepOrder: true, maxOutputBytes: 100_000, concurrency: 4, recordCommand: true };
  const local = (await collect(run(tasks, options))).map(comparable);
  await withNatsServer(async (server) => {
    await withWorker(server, async () => {
      const remote = await collect(run(tasks, optionsFor(server, options)));
      assertEquals(remote.map(comparable), local);
      for (const { worker, slot } of remote.flatMap((result) => [result, ...result.earlierAttempts ?? []])) {
        assertEquals([worker?.pid, slot >= 1 && slot <= 4], [process.pid, true]);
      }
      assertEquals(remote.map(({ cmd }) => cmd), tasks.map(({ cmd }) => cmd));
      assertEquals(await listRuns({ servers: server.url }), []);
    });
  });
});

test("the submitter of a workflow sends only tasks that can start", async () => {
  const gpu = 'mkdir "gpu$TASKRUNNER_GPU" && sleep 0.05 && rmdir "gpu$TASKRUNNER_GPU"';
  await withTempDirectory(async (cwd) => {
    const tasks: Task[] = [
      { id: "link", cmd: "cat a b", cwd, after: ["a", "b"] },
      ...["a", "b"].map((id) => ({ id, cmd: `sleep 0.1; echo ${id} >${id}`, cwd })),
      ...Array.from({ length: 6 }, (_, index) => ({ id: `gpu ${index}`, cmd: gpu, cwd, uses: { gpu: 1 } })),
      { id: "broken", cmd: "exit 3", cwd, retries: 1, after: "link" },
      { id: "never", cmd: "echo never", cwd, after: "broken" },
      { id: "cleanup", cmd: "rm a b", cwd, after: "never", runIf: "done" },
    ];
    await withNatsServer(async (server) => {
      await withWorker(server, async () => {
        const options = optionsFor(server, { resources: { gpu: 2 }, concurrency: 8 });
        const results = await collect(run(tasks, options));
        const byId = new Map(results.map((result) => [result.id, result]));
        assertEquals(byId.get("link")?.stdout, "a\nb\n");
        const outcomes = tasks.map(({ id }) => byId.get(String(id))?.outcome);
        assertEquals(outcomes, [...Array(9).fill("ok"), "failed", "skipped", "ok"]);
        assertEquals([byId.get("broken")?.attempts, byId.get("never")?.worker], [2, undefined]);
      });
    });
  });
});

test("workers receive no field of a task that only the pool needs", async () => {
  const tasks: Task[] = [
    { id: "a", cmd: "true", priority: 1, uses: { gpu: 1 }, slots: 2, meta: 1, after: [], runIf: "done", retries: 0 },
  ];
  await withNatsServer(async (server) => {
    const all = collect(run(tasks, optionsFor(server, { concurrency: 2, resources: { gpu: 1 } })));
    const { task } = await firstAttempt(server);
    assertEquals(Object.keys(task).filter((name) => name !== "env").sort(), ["cmd", "id", "retries"]);
    await withWorker(server, async () => {
      const [{ outcome, after, uses, slots, meta }] = await all as [TaskResult];
      assertEquals({ outcome, after, uses, slots, meta }, {
        outcome: "ok",
        after: [],
        uses: { gpu: 1 },
        slots: 2,
        meta: 1,
      });
    });
  });
});

test("the timeout of a task starts when a worker begins it", async () => {
  await withNatsServer(async (server) => {
    const results = run([{ cmd: "echo 1", timeoutMs: 5_000 }], optionsFor(server));
    const first = results.next();
    await waitFor("the task", async () => (await listRuns({ servers: server.url }))[0]?.attempts === 1);
    await withWorker(server, async () => assertEquals((await first).value?.stdout, "1\n"));
    assertEquals(await results.next(), { done: true, value: undefined });
  });
});

test("a run reports that no worker takes its tasks", async () => {
  await withNatsServer(async (server) => {
    const notified = Promise.withResolvers<string>();
    const all = collect(
      run([{ cmd: "true" }], {
        executor: natsExecutor({ servers: server.url, queue: "q", onNotice: notified.resolve }),
      }),
    );
    assertEquals(await notified.promise, "no worker of the queue q has taken a task yet");
    await withWorker(server, async () => assertEquals((await all)[0]!.outcome, "ok"));
  });
});

test("a server without JetStream is an error that names the remedy", async () => {
  await withTempDirectory(async (directory) => {
    const server = await startNatsServer(directory, [], -1, {}, []);
    try {
      const results = () =>
        collect(run([{ cmd: "true" }], { executor: natsExecutor({ servers: server.url, queue: "q" }) }));
      await assertRejects(results, Error, "JetStream is not enabled; start nats-server with -js");
    } finally {
      await stopNatsServer(server);
    }
  });
});

test("tasks with the same id and command are distinct tasks", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      const cmd = `echo x >> ${directory}/ran`;
      const results = await collect(run(Array(5).fill({ id: "same", cmd }), optionsFor(server)));
      assertEquals(results.map(({ outcome }) => outcome), Array(5).fill("ok"));
      assertEquals(await readFile(join(directory, "ran"), "utf8"), "x\n".repeat(5));
    });
  });
});

test("a repeated task runs again after its first result", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      const repeated = { id: "a", cmd: `echo x >> ${directory}/ran` };
      const tasks = [repeated, { id: "b", cmd: "true" }, repeated, repeated];
      const results = await collect(run(tasks, optionsFor(server, { concurrency: 1 })));
      assertEquals(results.map(({ id, outcome }) => `${id} ${outcome}`), ["a ok", "b ok", "a ok", "a ok"]);
      assertEquals(await readFile(join(directory, "ran"), "utf8"), "x\n".repeat(3));
    });
  });
});

test("identical large tasks are distinct tasks, and each arrives complete", async () => {
  await withNatsServer(async (server) => {
    const attempts = async () => (await listRuns({ servers: server.url }))[0]?.attempts ?? 0;
    async function* tasks(): AsyncGenerator<Task> {
      for (let sent = 0; sent < 3; sent++) {
        await waitFor("the task before", async () => await attempts() === sent);
        yield { id: "same", cmd: "wc -c", stdin: "x".repeat(1_500_000) };
      }
    }
    const all = collect(run(tasks(), optionsFor(server)));
    await waitFor("the tasks", async () => await attempts() === 3);
    await withWorker(server, async () => {
      assertEquals((await all).map(({ stdout }) => stdout), Array(3).fill("1500000\n"));
    });
  });
});

test("input and output larger than a message arrive complete", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      const stdin = "é".repeat(1_000_000);
      const options = optionsFor(server, { maxInlineBytes: 1_500_000, spillDir: join(directory, "spill") });
      const tasks = [{ id: "echo", cmd: "cat", stdin }, {
        id: "large",
        cmd: "head -c 1500000 /dev/zero; cat >&2",
        stdin,
      }];
      const results = new Map((await collect(run(tasks, options))).map((result) => [result.id, result]));
      const { stdoutFile, stdoutBytes } = results.get("echo")!;
      assertEquals([stdoutBytes, await readFile(stdoutFile!, "utf8") === stdin], [2_000_000, true]);
      assertEquals((await stat(stdoutFile!)).mode & 0o777, 0o600);
      const large = results.get("large")!;
      assertEquals([large.stdout.length, large.stdoutFile], [1_500_000, undefined]);
      assertEquals(await readFile(large.stderrFile!, "utf8") === stdin, true);
      assertEquals(await listRuns({ servers: server.url }), []);
    });
  });
});

test("a stopped run terminates running tasks, emits their results, and withdraws the others", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      const stop = new AbortController();
      const tasks = Array.from(
        { length: 50 },
        (_, id) => ({ id, cmd: `echo $$ > ${directory}/pid${id}; sleep 300; :` }),
      );
      const results: TaskResult[] = [];
      const running = (async () => {
        for await (const result of run(tasks, optionsFor(server, { signal: stop.signal }))) results.push(result);
      })();
      await waitFor("four tasks", () => [0, 1, 2, 3].every((id) => existsSync(join(directory, `pid${id}`))));
      stop.abort(new Error("enough"));
      await assertRejects(() => running, Error, "enough");
      assertEquals(results.map(({ outcome }) => outcome), Array(4).fill("canceled"));
      assertEquals(existsSync(join(directory, "pid4")), false);
      assertEquals(await listRuns({ servers: server.url }), []);
    });
  });
});

test("a stopped run prevents workers from taking tasks before it terminates the running ones", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      await withClient(server, async (client) => {
        const steps: string[] = [];
        const steered = /\.(control|CONSUMER\.DELETE)\b/;
        client.subscribe(">", {
          callback: (_error, { subject }) => {
            const [, step] = steered.exec(subject) ?? [];
            if (step !== undefined) steps.push(step);
          },
        });
        await client.flush();
        const stop = new AbortController();
        const tasks = Array.from({ length: 8 }, (_, id) => ({ id, cmd: `: >${directory}/begun; sleep 300; :` }));
        const all = collect(run(tasks, optionsFor(server, { signal: stop.signal })));
        all.catch(() => {});
        await waitFor("a task", () => existsSync(join(directory, "begun")));
        stop.abort(new Error("enough"));
        await assertRejects(() => all, Error, "enough");
        await client.flush();
        assertEquals(steps.slice(0, 2), ["CONSUMER.DELETE", "control"]);
      });
    });
  });
});

test("a drained run emits the results of begun tasks, and withdraws the others", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      const cmd = `echo > ${directory}/$TASKRUNNER_ID; until [ -e ${directory}/go ]; do sleep 0.01; done`;
      const results = run(Array.from({ length: 50 }, (_, id) => ({ id, cmd })), optionsFor(server));
      const all = collect(results);
      await waitFor("four tasks", () => [0, 1, 2, 3].every((id) => existsSync(join(directory, `${id}`))));
      results.drain();
      await waitFor("the rest", async () => (await listRuns({ servers: server.url })).length === 1);
      await new Promise((resolve) => setImmediate(resolve));
      await writeFile(join(directory, "go"), "");
      const ids = (await all).map(({ id, outcome }) => `${id} ${outcome}`).sort();
      assert(ids.length >= 4 && ids.length < 50 && ids.every((id) => / ok$/.test(id)), `${ids}`);
    });
  });
});

test("halted and abandoned runs end immediately, and leave nothing on the server", async () => {
  await withNatsServer(async (server) => {
    await withWorker(server, async () => {
      const tasks = [{ cmd: "exit 1" }, ...Array(20).fill({ cmd: "sleep 300" })];
      const halted = run(tasks, optionsFor(server, { halt: {} }));
      const outcomes = (await collect(halted)).map(({ outcome }) => outcome);
      assertEquals([halted.haltedBy?.id, outcomes[0], new Set(outcomes.slice(1)).size <= 1], ["1", "failed", true]);
      for await (const { id } of run(tasks, optionsFor(server))) {
        assertEquals(id, "1");
        break;
      }
      assertEquals(await listRuns({ servers: server.url }), []);
    });
  });
});

test("a drained worker finishes its running tasks, and another worker takes the others", async () => {
  await withNatsServer(async (server, directory) => {
    const cmd = `echo >> ${directory}/begun; until [ -e ${directory}/go ]; do sleep 0.01; done`;
    const all = collect(run(Array(12).fill({ cmd }), optionsFor(server)));
    await withWorker(server, async (worker) => {
      await waitFor(
        "four tasks",
        async () => (await readFile(join(directory, "begun"), "utf8").catch(() => "")).length === 4,
      );
      worker.drain();
      await writeFile(join(directory, "go"), "");
    });
    await withWorker(server, async () => {
      assertEquals((await all).map(({ outcome }) => outcome), Array(12).fill("ok"));
    });
    assertEquals(await readFile(join(directory, "begun"), "utf8"), "\n".repeat(12));
  });
});

test("a drained run of short tasks emits a result for each task that has begun", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      const path = join(directory, "begun");
      const tasks = Array.from({ length: 3_000 }, (_, id) => ({ id, cmd: `echo $TASKRUNNER_ID >> ${path}` }));
      const results = run(tasks, optionsFor(server));
      const ids: string[] = [];
      for await (const { id, outcome } of results) {
        assertEquals(outcome, "ok");
        if (ids.push(id) === 200) results.drain();
      }
      assert(ids.length < 3_000, `${ids.length} results`);
      const begun = (await readFile(path, "utf8")).trim().split("\n");
      assertEquals(begun.sort(), ids.sort());
      assertEquals(await listRuns({ servers: server.url }), []);
    });
  });
});

test("a worker reports the waiting tasks that it returns to the server, which run later", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      let number = 0;
      await waitFor("returned tasks", async () => {
        const path = join(directory, `begun${++number}`);
        const begun = async () => (await completeLines(path)).length;
        const tasks = Array.from({ length: 1_000 }, (_, id) => ({ id, cmd: `echo $TASKRUNNER_ID >> ${path}` }));
        const all = collect(run(tasks, optionsFor(server)));
        await waitFor("some tasks", async () => await begun() > 200);
        const [remote] = await listRuns({ servers: server.url });
        let returned: string[] = [];
        await withClient(server, async (client) => {
          const control = `taskrunner.q.${remote?.run}.control`; // without a run, there is no responder
          const reply = await client.request(control, "{}", { timeout: 60_000 }).catch(() => {});
          if (reply) returned = checkReply(reply.json()).returned!;
        });
        assertEquals((await all).map(({ outcome }) => outcome), Array(1_000).fill("ok"));
        assertEquals(await begun(), 1_000);
        return returned.length > 0;
      });
    });
  });
});

test("a killed and restarted server loses nothing", async () => {
  await withTempDirectory(async (directory) => {
    let server = await startNatsServer(directory);
    const notices: string[] = [];
    const options = {
      executor: natsExecutor({
        servers: server.url,
        queue: "q",
        ackWaitMs: 2_000,
        onNotice: (text: string) => notices.push(text),
      }),
    };
    await withWorker(server, async () => {
      const tasks = Array.from({ length: 400 }, (_, id) => ({ id, cmd: `echo ${id}; sleep 0.01` }));
      const ids: string[] = [];
      for await (const { id, outcome, stdout } of run(tasks, { ...options, concurrency: 200 })) {
        assertEquals([outcome, stdout], ["ok", `${id}\n`]);
        if (ids.push(id) === 50 || ids.length === 200) {
          await stopNatsServer(server);
          server = await startNatsServer(directory, [], server.port);
        }
      }
      assertEquals(new Set(ids).size, 400);
      assertEquals(ids.length, 400);
    });
    assertMatch(notices.join("\n"), /is lost; reconnecting\nreconnected to NATS/);
    await stopNatsServer(server);
  });
});

test("a stopped run ends even when the server does not answer", async () => {
  await withNatsServer(async (server) => {
    const stop = new AbortController();
    const notices: string[] = [];
    const nats = { servers: server.url, queue: "q", onNotice: (text: string) => notices.push(text) };
    const results = collect(run(Array(5).fill({ cmd: "true" }), { executor: natsExecutor(nats), signal: stop.signal }));
    results.catch(() => {});
    await waitFor("the tasks", async () => (await listRuns({ servers: server.url }))[0]?.attempts === 5);
    process.kill(server.process.pid!, "SIGSTOP");
    stop.abort(new Error("enough"));
    await assertRejects(() => results, Error, "enough");
    assertEquals(notices, ["the server does not answer; running tasks continue without this run"]);
  });
});

test("a run that is removed from the server ends with an error, and its tasks are terminated", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      const all = collect(run([{ cmd: `echo $$ > ${directory}/pid; exec sleep 300` }], optionsFor(server)));
      all.catch(() => {});
      let pid = 0;
      await waitFor(
        "the task",
        async () => pid = Number(await readFile(join(directory, "pid"), "utf8").catch(() => 0)),
      );
      const [remote] = await listRuns({ servers: server.url });
      await removeRun({ servers: server.url }, remote!);
      await waitFor("the task to end", () => !isAlive(pid));
      await assertRejects(() => all, Error, "removed from the server");
    });
  });
});

test("many large outputs arrive complete, a few at a time", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      const tasks = Array.from({ length: 60 }, (_, number) => ({ cmd: `yes ${number} | head -c 200000` }));
      const options = { spillDir: join(directory, "spill"), maxInlineBytes: 10 };
      const results = await collect(run(tasks, optionsFor(server, options)));
      assertEquals(results.length, 60);
      for (const { id, stdoutFile } of results) {
        const line = `${Number(id) - 1}\n`;
        assertEquals(await readFile(stdoutFile!, "utf8"), line.repeat(200_000 / line.length + 1).slice(0, 200_000));
      }
    });
  });
});

test("TaskRunner runs tasks on workers", async () => {
  await withNatsServer(async (server) => {
    await withWorker(server, async () => {
      for (const isolate of [true, false]) {
        const runner = new TaskRunner({ ...optionsFor(server), isolate });
        for (let number = 1; number <= 20; number++) runner.add(`${number}`, `echo ${number}`);
        let sum = 0;
        const { counts } = await runner.runAndWait(({ stdout }) => sum += Number(stdout));
        assertEquals([counts, sum], [{ ok: 20 }, 210]);
      }
    });
  });
});

test(
  "an unreachable server and a rejected login are errors before any task starts",
  async () => {
    const tasks = [{ cmd: "true" }];
    const nowhere = { executor: natsExecutor({ servers: "nats://127.0.0.1:1", queue: "q" }) };
    await assertRejects(
      () => collect(run(tasks, nowhere)),
      Error,
      "Cannot connect to NATS at 127.0.0.1:1: connection refused",
    );
    await withNatsServer(async ({ port }) => {
      const runWith = (userinfo: string, more = {}) =>
        collect(
          run(tasks, {
            executor: natsExecutor({ servers: `nats://${userinfo}127.0.0.1:${port}`, queue: "q", ...more }),
          }),
        );
      for (
        const [userinfo, more] of [["", {}], ["me:secret-word@", {}], ["", {
          user: "me",
          password: "secret-word",
        }]] as const
      ) {
        const { message } = await assertRejects(() => runWith(userinfo, more), Error, "rejected the login");
        assert(!message.includes("secret-word"), message);
      }
      const worker = new Worker({
        nats: { servers: `nats://me:1234@127.0.0.1:${port}` },
        queues: ["q"],
        concurrency: 1,
      });
      const working = worker.run();
      assertEquals((await runWith("", { user: "me", password: "1234" }))[0]!.outcome, "ok");
      assertEquals((await runWith("me:1234@"))[0]!.outcome, "ok");
      worker.drain();
      await working;
    }, ["--user", "me", "--pass", "1234"]);
  },
);

test("natsExecutor() and Worker reject invalid options", () => {
  const make = (options: unknown) => () => run([], options as RunOptions);
  assertThrows(make({ executor: "nats" }), RangeError, "executor must be shell, process or an executor");
  assertThrows(make({ nats: { servers: "x", queue: "q" } }), TypeError, 'use "executor": natsExecutor(…)');
  assertThrows(
    () => natsExecutor({ servers: "x", queue: "a.b" }),
    RangeError,
    "The name of a queue must have",
  );
  assertThrows(
    () => natsExecutor({ servers: "x", queue: "q", run: "a b" }),
    RangeError,
    "The name of a run must have",
  );
  assertThrows(
    () => new Worker({ nats: { servers: "x" }, queues: ["*"], concurrency: 1 }),
    RangeError,
    "queue must have",
  );
  const worker = { nats: { servers: "x" }, queues: ["q"], concurrency: 1 };
  assertThrows(
    () => new Worker({ ...worker, concurrency: 0 }),
    RangeError,
    "concurrency must be an integer of at least 1",
  );
  assertThrows(
    () => new Worker({ ...worker, maxRedeliveries: 0 }),
    RangeError,
    "maxRedeliveries must be a whole number of at least 1",
  );
  const nats = { servers: "x", queue: "q" };
  for (const ackWaitMs of [0, 99, 100.5, -1, NaN, Infinity, 2 ** 31]) {
    assertThrows(
      () => natsExecutor({ ...nats, ackWaitMs }),
      RangeError,
      "ackWaitMs must be a whole number from 100 to 2147483647",
    );
  }
  assertThrows(
    () => natsExecutor({ ...nats, replicas: 0 }),
    RangeError,
    "replicas must be a whole number from 1 to 5",
  );
});
