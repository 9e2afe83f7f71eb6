import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import { jetstream, type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import { run, type RunOptions, type Task, type TaskResult } from "../../mod.ts";
import { natsExecutor } from "../../nats/mod.ts";
import {
  checkConfig,
  checkControl,
  checkReply,
  checkResult,
  checkTaskMessage,
} from "../../nats/client/check_message.ts";
import { PROTOCOL_VERSION, type RunConfig } from "../../nats/client/protocol.ts";
import { listRuns } from "../../nats/client/runs.ts";
import { collect, parseResults, startTaskrunner, waitFor } from "../support/helpers.ts";
import {
  emptyResult,
  natsArgs,
  type NatsServer,
  recordResult,
  resultWithStatus,
  streamsOf,
  withClient,
  withNatsServer,
  withWorker,
} from "../support/nats_helpers.ts";
import { test } from "../support/test.ts";

const optionsFor = ({ url }: NatsServer): RunOptions => ({ executor: natsExecutor({ servers: url, queue: "q" }) });

/** Returns a subject of the run that a stream belongs to. */
const subjectOf = (stream: string, kind: string) => `${stream.split("_").slice(0, 3).join(".")}.${kind}`;

const place = { slot: 1, startedAt: "2026-01-01T00:00:00.000Z", worker: { host: "h", pid: 7 } };
const object = { id: "a", bytes: 9, sha256: "0".repeat(64) };
const output = { text: "" };

const exited = (status: unknown) => ({ ending: { kind: "exited", status } });
const signaled = (signal: string, status: unknown) => ({ ending: { kind: "signaled", signal, status } });
const spawnFailed = (reason: string, status: unknown) => ({ ending: { kind: "spawn-failed", reason, status } });

/** Changes that make a result message invalid, and the error of each. */
const INVALID_CHANGES: [change: object, error: RegExp][] = [
  [{ ending: undefined }, /^"ending" is missing$/],
  [{ ending: "exited" }, /^"ending" must be an object, got "exited"$/],
  [{ ending: { status: 0 } }, /^"ending.kind" must be one of exited, signaled, spawn-failed, lost, got undefined$/],
  [
    { ending: { kind: "withdrawn" } },
    /^"ending.kind" must be one of exited, signaled, spawn-failed, lost, got "withdrawn"$/,
  ],
  [{ ending: { kind: "no-resources", reason: "none" } }, /^"ending.kind" must be one of .*, got "no-resources"$/],
  [exited("zero"), /^"ending.status" must be a number, got "zero"$/],
  [exited(256), /^"ending.status" must be at most 255, got 256$/],
  [exited(-1), /^"ending.status" must not be negative, got -1$/],
  [exited(0.5), /^"ending.status" must be an integer, got 0.5$/],
  [exited(undefined), /^"ending.status" is missing$/],
  [exited(null), /^"ending.status" must be a number, got null$/],
  [signaled("SIGKILL", 0), /^"ending.status" must be at least 1, got 0$/],
  [spawnFailed("no", 0), /^"ending.status" must be 126 or 127, got 0$/],
  [signaled("kill\n", 137), /^"ending.signal" must be a signal such as SIGKILL, got "kill\\n"$/],
  [{ stoppedBy: "x" }, /^"stoppedBy" must be one of canceled, output-limit, timeout, got "x"$/],
  [{ durationMs: -1 }, /^"durationMs" must not be negative, got -1$/],
  [{ durationMs: 1e300 }, /^"durationMs" must be at most 8000000000000000 milliseconds, got 1e\+300$/],
  [{ durationMs: null }, /^"durationMs" must be a number, got null$/],
  [{ durationMs: 1, userMs: 1e16 }, /^"userMs" must be at most/],
  [{ systemMs: "1" }, /^"systemMs" must be a number, got "1"$/],
  [{ outputError: "x".repeat(100_000) }, /^"outputError" must have at most 65536 characters, got "xxx.{1,80}$/],
  [{ ending: { kind: "lost", reason: 7 } }, /^"ending.reason" must be a string, got 7$/],
  [{ ending: { kind: "lost" } }, /^"ending.reason" is missing$/],
  [spawnFailed("\ud800", 126), /^"ending.reason" must not contain a lone surrogate/],
  [{ place: { ...place, slot: 0 } }, /^"place.slot" must be at least 1, got 0$/],
  [{ place: { ...place, startedAt: "" } }, /^"place.startedAt" must be a time in ISO 8601 and UTC/],
  [{ place: { ...place, startedAt: "2026-02-03 10:00:00Z" } }, /^"place.startedAt" must be a time in ISO 8601 and UTC/],
  [{ place: { ...place, startedAt: "2026-02-30T10:00:00.000Z" } }, /^"place.startedAt" must be a time/],
  [{ place: { ...place, worker: { host: "h".repeat(256), pid: 1 } } }, /^"place.worker.host" must have at most 255/],
  [{ place: { ...place, worker: { host: "h", pid: -1 } } }, /^"place.worker.pid" must not be negative, got -1$/],
  [{ place: { ...place, worker: {} } }, /^"place.worker.host" is missing$/],
  [{ place: 7 }, /^"place" must be an object, got 7$/],
  [{ stdout: { text: null } }, /^"stdout.text" must be a string, got null$/],
  [{ stdout: undefined }, /^"stdout" is missing$/],
  [{ stdout: { text: "\udfff" } }, /^"stdout.text" must not contain a lone surrogate/],
  [{ stdout: { text: "123456789" } }, /^"stdout" must have at most 8 bytes in a result, got 9$/],
  [{ stdout: { text: "ééééé" } }, /^"stdout" must have at most 8 bytes in a result, got 10$/],
  [{ stdout: { text: "x".repeat(1000) } }, /^"stdout" must have at most 8 bytes in a result$/],
  [{ stderr: { text: "AP8", encoding: "base64" } }, /^"stderr" must be base64$/],
  [{ stderr: { text: "A=P8", encoding: "base64" } }, /^"stderr" must be base64$/],
  [{ stderr: { text: "\n", encoding: "base64" } }, /^"stderr" must be base64$/],
  [{ stderr: { text: "MTIzNDU2Nzg5", encoding: "base64" } }, /^"stderr" must have at most 8 bytes in a result, got 9$/],
  [{ stderr: { text: "x", encoding: "utf16" } }, /^"stderr.encoding" must be base64, got "utf16"$/],
  [
    { stdout: { text: "12345678", bytes: 7 } },
    /^"stdout" must have at most its full size of 7 bytes in a result, got 8$/,
  ],
  [{ stdout: { text: "12345678", bytes: 65 } }, /^"stdout" must have at most 64 bytes, got 65$/],
  [{ stdout: { text: "x", bytes: 9.5 } }, /^"stdout.bytes" must be an integer, got 9.5$/],
  [{ stdout: { text: "x", bytes: 1e308 } }, /^"stdout.bytes" must be an integer, got 1e\+308$/],
  [{ stdout: { text: "x", object } }, /^"stdout" must have the size of its object, 9 bytes, got undefined$/],
  [{ stdout: { text: "x", bytes: 10, object } }, /^"stdout" must have the size of its object, 9 bytes, got 10$/],
  [
    { stdout: { ...output, object: { ...object, id: "../x" } } },
    /^"stdout.object.id" must be 1 to 64 letters and digits/,
  ],
  [{ stdout: { ...output, object: { ...object, id: "*" } } }, /^"stdout.object.id" must be/],
  [
    { stdout: { ...output, object: { ...object, sha256: "" } } },
    /^"stdout.object.sha256" must be 64 hexadecimal digits/,
  ],
  [{ stdout: { ...output, object: null } }, /^"stdout.object" must be an object, got null$/],
];

test("checkResult() rejects every field that would be invalid in a results file", () => {
  const limits = { maxInlineBytes: 8, maxOutputBytes: 64 };
  const check = (value: unknown) => checkResult(JSON.parse(JSON.stringify(value)), limits);
  for (const [change, message] of INVALID_CHANGES) {
    const error = assertThrows(() => check({ ...emptyResult, ...change }), TypeError);
    assertMatch((error as Error).message, message);
  }
  for (const value of [null, 7, "x", []]) assertThrows(() => check(value), TypeError);
  for (
    const valid of [
      { ...emptyResult, ...signaled("SIGKILL", 137), place },
      { ...emptyResult, ...signaled("SIGKILL", null) },
      { ...emptyResult, ...spawnFailed("no", 127) },
      { ...emptyResult, ending: { kind: "lost", reason: "gone" }, stoppedBy: "canceled", userMs: 0, systemMs: 8e15 },
      {
        ...emptyResult,
        stdout: { text: "éééé" },
        stderr: { text: "MTIzNDU2Nzg=", encoding: "base64", bytes: 9, object },
      },
      { ...emptyResult, stdout: { text: "", bytes: 64 }, outputError: "It was cut" },
    ]
  ) {
    const extended = { ...valid, ending: { ...valid.ending, more: 1 }, more: 1, ["__proto__"]: { stoppedBy: "x" } };
    assertEquals(check(extended), valid as never);
  }
});

test("checkTaskMessage(), checkConfig(), checkControl() and checkReply() reject invalid messages", () => {
  const message = { task: { cmd: "true" }, id: "1", number: 1 };
  const config: RunConfig = {
    version: PROTOCOL_VERSION,
    shell: "sh",
    maxInlineBytes: 1,
    maxOutputBytes: null,
    ackWaitMs: 30_000,
    killAfterMs: 0,
  };
  assertEquals(checkTaskMessage({ ...message, more: 1 }), message);
  assertEquals(checkConfig({ ...config, more: 1 }), config);
  assertEquals(checkControl({ more: 1 }), {});
  assertEquals(checkReply({ running: ["a"], more: 1 }), { running: ["a"] });
  assertEquals(checkReply({ running: [], returned: ["b"] }), { running: [], returned: ["b"] });
  const invalid: [check: (value: unknown) => unknown, value: unknown, message: RegExp][] = [
    [checkTaskMessage, null, /^it must be an object, got null$/],
    [checkTaskMessage, {}, /^"task" is missing$/],
    [checkTaskMessage, { ...message, task: "\x7f" }, /^"task" must be an object, got "\\u007f"$/],
    [checkTaskMessage, { ...message, task: { cmd: "a", "b\x7f": 1 } }, /^"task.b\\u007f" is unknown$/],
    [checkTaskMessage, { ...message, task: {} }, /^"task.cmd" is missing$/],
    [checkTaskMessage, { ...message, task: { cmd: [1] } }, /^"task.cmd.0" must be a string, got 1$/],
    [checkTaskMessage, { ...message, task: { cmd: "a\0" } }, /^"task.cmd" must not contain a NUL/],
    [checkTaskMessage, { ...message, task: { cmd: "a", env: { "a=b": "" } } }, /^"task.env.a=b" is not the name/],
    [checkTaskMessage, { ...message, task: { cmd: "a", stdin: {} } }, /^"task.stdin" must be a string/],
    [checkTaskMessage, { ...message, id: 1 }, /^"id" must be a string, got 1$/],
    [checkTaskMessage, { ...message, number: 0 }, /^"number" must be at least 1, got 0$/],
    [checkTaskMessage, { ...message, timeoutMs: 1e300 }, /^"timeoutMs" must be at most 2147483647 milliseconds/],
    [checkConfig, { ...config, version: undefined }, /^"version" must be 2, got undefined$/],
    [checkConfig, { ...config, version: 1 }, /^"version" must be 2, got 1$/],
    [checkConfig, { ...config, shell: "" }, /^"shell" must not be empty/],
    [checkConfig, { ...config, ackWaitMs: 0 }, /^"ackWaitMs" must be at least 100, got 0$/],
    [
      checkConfig,
      { ...config, ackWaitMs: 1e300 },
      /^"ackWaitMs" must be at most 2147483647 milliseconds, got 1e\+300$/,
    ],
    [checkConfig, { ...config, maxInlineBytes: 1e15 }, /^"maxInlineBytes" must be at most 33554432/],
    [checkConfig, { ...config, maxOutputBytes: -1 }, /^"maxOutputBytes" must not be negative/],
    [checkConfig, { ...config, killAfterMs: "1" }, /^"killAfterMs" must be a number, got "1"$/],
    [checkReply, { running: "a" }, /^"running" must be an array, got "a"$/],
    [checkReply, { running: [], returned: 7 }, /^"returned" must be an array, got 7$/],
    [checkReply, { running: [], returned: [7] }, /^"returned.0" must be a string, got 7$/],
    [checkControl, { killAfterMs: -1 }, /^"killAfterMs" must not be negative, got -1$/],
    [checkControl, { killAfterMs: 2 ** 31 }, /^"killAfterMs" must be at most 2147483647 milliseconds/],
  ];
  for (const [check, value, message] of invalid) {
    assertMatch((assertThrows(() => check(value), TypeError) as Error).message, message);
  }
});

test("the result of a worker cannot name a file of the submitter", async () => {
  await withNatsServer(async (server, directory) => {
    const file = join(directory, "mine");
    await writeFile(file, "mine");
    const all = collect(
      run([{ cmd: "true", retries: 1 }], { executor: natsExecutor({ servers: server.url, queue: "q" }) }),
    );
    const stdout = { text: "x", bytes: 4, file };
    for (const status of [1, 0]) await recordResult(server, { value: { ...resultWithStatus(status), stdout } });
    const [result] = await all;
    assertEquals([result!.outcome, result!.attempts, result!.stdoutFile], ["ok", 2, undefined]);
    assertEquals(await readFile(file, "utf8"), "mine");
  });
});

test("an invalid result ends one task with an error, and affects neither other tasks nor the run", async () => {
  await withNatsServer(async (server) => {
    const noObject = { object: { id: "../x", bytes: 1, sha256: "0".repeat(64) } };
    const invalid: [unknown, RegExp][] = [
      ["{", /JSON/],
      ["7", /./],
      [{}, /"object" is missing/],
      [{ value: {} }, /"ending" is missing/],
      [{ value: { ...emptyResult, ...exited("zero") } }, /ending.status/],
      [{ value: { ...emptyResult, ending: { kind: "withdrawn" } } }, /ending.kind/],
      [{ value: { ...emptyResult, ending: { kind: "no-resources", reason: "none" } } }, /ending.kind/],
      [{ value: { ...emptyResult, durationMs: -1 } }, /durationMs/],
      [{ object: { ...object, bytes: 1e15 } }, /its object has 1000000000000000 bytes, and the limit is \d+$/],
      [{ value: { ...emptyResult, stoppedBy: "x" } }, /stoppedBy/],
      [{ value: { ...emptyResult, stdout: { text: null } } }, /stdout.text/],
      [{ value: { ...emptyResult, place: { slot: 0, startedAt: "", worker: {} } } }, /place/],
      [{ value: { ...emptyResult, stdout: { ...output, ...noObject } } }, /stdout.object.id/],
      [noObject, /id/],
    ];
    for (const [message, error] of invalid) {
      const all = collect(run([{ cmd: "true" }], { executor: natsExecutor({ servers: server.url, queue: "q" }) }));
      await recordResult(server, message);
      const [result] = await all;
      assertEquals([result!.outcome, result!.status], ["killed", null], JSON.stringify(message));
      assertMatch(result!.error!, /^The worker recorded an invalid result: /);
      assertMatch(result!.error!, error);
    }
    // Fields that the submitter decides are ignored.
    const all = collect(
      run([{ id: "mine", cmd: "true" }], { executor: natsExecutor({ servers: server.url, queue: "q" }) }),
    );
    const place = {
      slot: 3,
      startedAt: "2026-01-01T00:00:00.000Z",
      worker: { host: "h", pid: 7, x: 1 },
      id: "other",
      attempts: 9,
    };
    await recordResult(server, { value: { ...emptyResult, more: 1, place } });
    const [result] = await all;
    assertEquals([result!.id, result!.attempts, result!.slot, result!.worker], ["mine", 1, 3, { host: "h", pid: 7 }]);
  });
});

/** Calls a function with the stream of the only run when the server has stored the given number of attempts. */
async function withStream(
  server: NatsServer,
  attempts: number,
  use: (stream: string, manager: JetStreamManager) => Promise<unknown>,
): Promise<void> {
  await waitFor("the run", async () => (await listRuns({ servers: server.url }))[0]?.attempts === attempts);
  const stream = (await streamsOf(server)).find((name) => name.startsWith("taskrunner_"))!;
  await withClient(server, async (client) => void await use(stream, await jetstreamManager(client)));
}

test(
  "no message of a worker makes the results file or the exit status invalid, or ends the run",
  async () => {
    await withNatsServer(async (server, directory) => {
      const [path, tasks] = [join(directory, "results.jsonl"), join(directory, "tasks.jsonl")];
      const invalid = [
        { durationMs: 1e300 },
        { place: { ...place, startedAt: "2026-02-03 10:00:00Z" } },
        signaled("SIGKILL", 0),
        exited(256),
      ];
      await writeFile(tasks, [...invalid, {}].map((_, id) => `${JSON.stringify({ id, cmd: "true" })}\n`).join(""));
      const { ended: end } = startTaskrunner(["-j1", ...natsArgs(server, tasks), "-o", path], { stdin: "" });
      for (const change of [...invalid, {}]) await recordResult(server, { value: { ...emptyResult, ...change } });
      const { status, stderr } = await end;
      assertEquals(status, invalid.length, stderr);
      const results = parseResults(await readFile(path, "utf8"));
      const ends = results.map(({ outcome, status }) => `${outcome} ${status}`);
      assertEquals(ends, [...invalid.map(() => "killed null"), "ok 0"]);
      const stats = await startTaskrunner(["stats", "--json", path], { stdin: "" }).ended;
      assertEquals([stats.status, stats.stderr], [0, ""]);

      const halting = startTaskrunner([...natsArgs(server, tasks), "-j1", "--halt", "now,fail=1"], { stdin: "" }).ended;
      await recordResult(server, { value: resultWithStatus(256) });
      assertEquals((await halting).status, 1);
    });
  },
);

test("a worker records an error for an invalid task, and continues", async () => {
  await withNatsServer(async (server, directory) => {
    const notices: string[] = [];
    await withClient(server, async (client) => {
      const [js, manager] = [jetstream(client), await jetstreamManager(client)];
      const broken = "taskrunner_q_broken_0123";
      await manager.streams.add({ name: broken, subjects: ["taskrunner.q.broken.>"], allow_direct: true });
      await js.publish("taskrunner.q.broken.config", `{"version":${PROTOCOL_VERSION},"shell":"sh","ackWaitMs":0}`);
      await withWorker(server, async () => {
        await waitFor("the notice", () => notices.length > 0);
        const cmd = `: > ${directory}/begun; until [ -e ${directory}/go ]; do sleep 0.01; done`;
        const all = collect(run([{ cmd }, { cmd: "echo $TASKRUNNER_ID" }], { ...optionsFor(server), keepOrder: true }));
        await waitFor("the first task", () => existsSync(join(directory, "begun")));
        const stream = (await streamsOf(server)).find((name) => name.startsWith("taskrunner_q_") && name !== broken)!;
        const sha256 = createHash("sha256").update("{}").digest("hex");
        const store = await new Objm(js).open(stream);
        const { nuid } = await store.put({ name: "x" }, new Blob(["x".repeat(300_000)]).stream() as never);
        const message = { task: { cmd: "true" }, id: "1", number: 1 };
        const invalid: [unknown, RegExp][] = [
          ["", /not a valid task: it is not valid JSON$/],
          [7, /not a valid task: it must be an object, got 7$/],
          [{ value: {} }, /not a valid task: "task" is missing$/],
          [{ value: { ...message, task: { cmd: [7] } } }, /not a valid task: "task.cmd.0" must be a string, got 7$/],
          [
            { value: { ...message, task: { cmd: "true", env: 7 } } },
            /not a valid task: "task.env" must be an object of strings/,
          ],
          [{ value: { ...message, id: {} } }, /not a valid task: "id" must be a string/],
          [{ value: { ...message, timeoutMs: -1 } }, /not a valid task: "timeoutMs" must be/],
          [
            { object: { id: nuid, bytes: 1e15, sha256 } },
            /not a valid task: its object has 1000000000000000 bytes, and the limit is \d+$/,
          ],
          [
            { object: { id: nuid, bytes: 1_000, sha256 } },
            /not a valid task: a large message is larger than its reference states$/,
          ],
          [{ object: { id: nuid, bytes: 300_000, sha256 } }, /not a valid task: a large message was modified$/],
        ];
        for (const [index, [value]] of invalid.entries()) {
          await js.publish(
            subjectOf(stream, `task.invalid${index}`),
            typeof value === "string" ? value : JSON.stringify(value),
          );
        }
        for (const [index, [, error]] of invalid.entries()) {
          const last = { last_by_subj: subjectOf(stream, `result.invalid${index}`) };
          let bytes: Uint8Array | undefined;
          await waitFor(
            `the result ${index}`,
            async () => bytes = (await manager.direct.getMessage(stream, last))?.data,
          );
          const { value } = JSON.parse(new TextDecoder().decode(bytes));
          assertEquals([value.ending.kind, value.ending.status], ["spawn-failed", 126]);
          assertMatch(value.ending.reason, error);
        }
        await writeFile(join(directory, "go"), "");
        assertEquals((await all).map(({ outcome, stdout }) => [outcome, stdout]), [["ok", ""], ["ok", "2\n"]]);
        assertEquals(notices, [
          'ignoring the run broken of the queue q: its settings are invalid: "maxInlineBytes" is missing',
        ]);
      }, { onNotice: (text) => notices.push(text) });
    });
  });
});

test("a killAfterMs beyond the range of timers does not kill at once", async () => {
  await withNatsServer(async (server, directory) => {
    await withWorker(server, async () => {
      const cmd = `trap 'echo terminated; exit 0' TERM; : > ${directory}/begun; while :; do sleep 0.01; done`;
      const stop = new AbortController();
      const results = run([{ cmd }], { ...optionsFor(server), killAfterMs: Infinity, signal: stop.signal });
      const first = results.next();
      await waitFor("the task", () => existsSync(join(directory, "begun")));
      stop.abort(new Error("enough"));
      const { value } = await first;
      assertEquals([value?.outcome, value?.stdout], ["canceled", "terminated\n"]);
      await assertRejects(() => results.next(), Error, "enough");
    });
  });
});

test(
  "a result that was recorded before its attempt ends the attempt",
  async () => {
    await withNatsServer(async (server) => {
      const task = { id: "a", cmd: "exit 3", retries: 1 };
      const all = collect(run([task], optionsFor(server)));
      await withStream(server, 1, async (stream) => {
        // A worker that has the first attempt can compute the key of the second one.
        const hash = createHash("sha256").update(JSON.stringify({ task, id: "a", number: 2 })).digest("hex").slice(
          0,
          32,
        );
        const subject = subjectOf(stream, `result.${hash}`);
        await withClient(server, async (client) => {
          await jetstream(client).publish(
            subject,
            JSON.stringify({ value: { ...emptyResult, stdout: { text: "early" } } }),
          );
        });
        await withWorker(server, async () => {
          assertEquals((await all).map(({ outcome, stdout, attempts }) => [outcome, stdout, attempts]), [[
            "ok",
            "early",
            2,
          ]]);
        });
      });
    });
  },
);

/**
 * Starts a run of four tasks, of which a worker runs one and no worker has the others, then calls `damage`. Returns the
 * results and the error of the run.
 */
async function runWhile(
  server: NatsServer,
  directory: string,
  damage: (stream: string, manager: JetStreamManager) => Promise<unknown>,
): Promise<{ results: TaskResult[]; error: Error | undefined }> {
  const path = (name: string) => join(directory, name);
  const cmd = `: > ${path("begun")}; until [ -e ${path("go")} ]; do sleep 0.01; done`;
  const results: TaskResult[] = [];
  let error: Error | undefined;
  await withWorker(server, async () => {
    const tasks: Task[] = [{ id: "begun", cmd }, ...[1, 2, 3].map((id) => ({ id, cmd: "true" }))];
    const running = (async () => {
      for await (const result of run(tasks, optionsFor(server))) results.push(result);
    })().catch((reason) => error = reason);
    await waitFor("the first task", () => existsSync(path("begun")));
    await withStream(server, tasks.length, damage);
    await writeFile(path("go"), "");
    await running;
  }, { concurrency: 1 });
  assertEquals(await streamsOf(server), []);
  return { results, error };
}

const DAMAGES: Record<string, (stream: string, manager: JetStreamManager) => Promise<unknown>> = {
  "the stream was purged": (stream, manager) => manager.streams.purge(stream),
  "tasks were purged": (stream, manager) => manager.streams.purge(stream, { filter: subjectOf(stream, "task.*") }),
  "an empty purge made the server stop delivering": (stream, manager) =>
    manager.streams.purge(stream, { filter: subjectOf(stream, "task.none") }),
  "the first messages were purged": (stream, manager) => manager.streams.purge(stream, { seq: 4 } as never),
  "a task was removed": async (stream, manager) => {
    const { state } = await manager.streams.info(stream);
    return await manager.streams.deleteMessage(stream, state.last_seq);
  },
};

// At the same time, because a run waits for 20 seconds before it gives up.
test("a run ends with an error when its messages were removed, after the tasks that have begun", async () => {
  await Promise.all(
    Object.entries(DAMAGES).map(async ([name, damage]) => {
      await withNatsServer(async (server, directory) => {
        const { results, error } = await runWhile(server, directory, damage);
        const notOk = results.filter(({ outcome }) => outcome !== "ok");
        assertEquals([name, results[0]?.id, notOk], [name, "begun", []]);
        assert(results.length < 4, `${name}: ${error}`);
        assertMatch(
          error!.message,
          /^(1 task has|\d tasks have) neither a result nor a message on the server: the stream taskrunner_q_\S+ was purged or changed, or a worker has dropped tasks that it took; --resume runs the tasks without a result$/,
          name,
        );
      });
    }),
  );
});

test("a run ends with an error when its tasks consumer was removed", async () => {
  await withNatsServer(async (server, directory) => {
    const { results, error } = await runWhile(server, directory, (stream, manager) => {
      return manager.consumers.delete(stream, "tasks");
    });
    assertEquals(results.map(({ id, outcome }) => [id, outcome]), [["begun", "ok"]]);
    assertMatch(
      error!.message,
      /^the consumer tasks of the stream taskrunner_q_\S+ was removed from the server; --resume runs the tasks without a result$/,
    );
  });
});

test("a run continues when its results consumer was removed", async () => {
  await withNatsServer(async (server, directory) => {
    const { results, error } = await runWhile(server, directory, async (stream, manager) => {
      const consumers = await Array.fromAsync(manager.consumers.list(stream));
      const [reader] = consumers.map(({ name }) => name).filter((name) => name !== "tasks");
      return await manager.consumers.delete(stream, reader!);
    });
    assertEquals([results.map(({ outcome }) => outcome), error], [Array(4).fill("ok"), undefined]);
  });
});

test("a run ends with an error when its stream or its object store was removed", async () => {
  await withNatsServer(async (server, directory) => {
    const { error } = await runWhile(server, directory, (stream, manager) => manager.streams.delete(stream));
    assertMatch(
      error!.message,
      /^the run was removed from the server, its stream taskrunner_q_\S+ is not there; --resume runs the tasks without a result$/,
    );
  });
  await withNatsServer(async (server, directory) => {
    const large = Promise.withResolvers<void>();
    async function* tasks(): AsyncGenerator<Task> {
      yield { id: "file", cmd: "yes | head -c 3000000" };
      yield { id: "inline", cmd: "head -c 300000 /dev/zero | tr '\\0' '\\1'" };
      yield { id: "small", cmd: "echo small" };
      await large.promise;
      yield { id: "large", cmd: "wc -c", stdin: "x".repeat(3_000_000) };
    }
    const results: TaskResult[] = [];
    const running = (async () => {
      for await (
        const result of run(tasks(), {
          ...optionsFor(server),
          maxInlineBytes: 300_000,
          spillDir: join(directory, "spill"),
        })
      ) {
        results.push(result);
        if (results.length === 3) large.resolve();
      }
    })();
    running.catch(() => {});
    await withStream(server, 3, async (stream, manager) => await manager.streams.delete(`OBJ_${stream}`));
    await withWorker(server, async () => {
      const removed = /the object store OBJ_taskrunner_q_\S+ of the run was removed from the server/;
      const error = await assertRejects(() => running, Error);
      assertMatch(
        (error as Error).message,
        new RegExp(`^${removed.source}; --resume runs the tasks without a result$`),
      );
      const byId = new Map(results.map((result) => [result.id, result]));
      assertEquals([...byId.keys()].sort(), ["file", "inline", "small"]);
      assertEquals([byId.get("small")!.outcome, byId.get("file")!.outcome], ["ok", "failed"]);
      assertMatch(byId.get("file")!.error!, new RegExp(`^Cannot keep all of the output: ${removed.source}$`));
      assertEquals(byId.get("inline")!.outcome, "killed");
      assertMatch(
        byId.get("inline")!.error!,
        new RegExp(`^The result is too large for a message, and ${removed.source}$`),
      );
    });
    assertEquals(await streamsOf(server), []);
  });
});

test("an output that is larger than its limit or its size is not read from the object store", async () => {
  await withNatsServer(async (server, directory) => {
    const options = {
      ...optionsFor(server),
      maxInlineBytes: 10,
      maxOutputBytes: 1_000_000,
      spillDir: join(directory, "s"),
    };
    const all = collect(run(Array.from({ length: 4 }, (_, id) => ({ id, cmd: "true" })), options));
    await withStream(server, 4, async (stream) => {
      const bytes = Buffer.alloc(700_000, "x");
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      let id = "";
      await withClient(server, async (client) => {
        const store = await new Objm(jetstream(client)).open(stream);
        id = (await store.put({ name: "x" }, new Blob([bytes]).stream() as never)).nuid;
      });
      for (const claimed of [700_000, 1_000, 2_000_000]) {
        const stdout = { text: "x", bytes: claimed, object: { id, bytes: claimed, sha256 } };
        await recordResult(server, { value: { ...emptyResult, stdout } });
      }
      const stdout = { text: "x", bytes: 700_000, object: { id, bytes: 700_000, sha256: "0".repeat(64) } };
      await recordResult(server, { value: { ...emptyResult, stdout } });
    });
    const results = await all;
    const [valid] = results.filter(({ outcome }) => outcome === "ok");
    assertEquals((await readFile(valid!.stdoutFile!, "utf8")).length, 700_000);
    assertEquals(results.map(({ outcome, error, stdoutFile }) => [outcome, error, stdoutFile !== undefined]).sort(), [
      ["failed", "Cannot keep all of the output: a large message is larger than its reference states", false],
      ["failed", "Cannot keep all of the output: a large message was modified", false],
      [
        "killed",
        'The worker recorded an invalid result: "stdout" must have at most 1000000 bytes, got 2000000',
        false,
      ],
      ["ok", undefined, true],
    ]);
  });
});
