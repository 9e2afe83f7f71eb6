import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertThrows } from "@std/assert/throws";
import { type AttemptResult, resultWithoutOutput } from "../../pool/executor.ts";
import { Delivery } from "../../telemetry/delivery.ts";
import { readTelemetryNumbers } from "../../telemetry/numbers.ts";
import { loadPackages, type TracesPackages } from "../../telemetry/packages.ts";
import { readTelemetrySettings } from "../../telemetry/settings.ts";
import { RunTrace } from "../../telemetry/run_trace.ts";
import {
  jsonLines,
  parseResults,
  PROJECT,
  RUNTIME,
  start,
  startTaskrunner,
  taskFile,
  taskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { natsArgs, withNatsServer, withWorker } from "../support/nats_helpers.ts";
import { fieldsOf, type OtlpReceiver, withOtlpReceiver } from "../support/otlp_receiver.ts";
import { test } from "../support/test.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

test("a run is a trace with a span for each attempt, without secrets", async () => {
  await withOtlpReceiver(async (receiver) => {
    const secret = { env: { A: "secret" }, stdin: "secret", meta: "secret" };
    const tasks = [
      { id: "fine", cmd: "echo secret; true", ...secret },
      { id: "flaky", cmd: "echo secret >&2; exit 3", retries: 1 },
      { id: "slow", cmd: "sleep 60; echo secret", timeoutMs: 200 },
      { id: "killed", cmd: "kill -9 $$; echo secret" },
      { id: "loud", cmd: "yes secret" },
      { id: "missing", cmd: ["no-such-secret"] },
    ];
    const beforeMs = Date.now();
    const { status, stderr } = await taskrunner(["-j1", "--max-output", "10K"], {
      stdin: jsonLines(tasks),
      env: receiver.env,
    });
    const afterMs = Date.now();
    // Deno reports packages that it downloads for the first time.
    assertEquals([status, stderr.replace(/^Download .*\n/gm, "")], [5, ""]);
    const { attempts, run } = receiver.trace;
    assertEquals(
      attempts.map(({ attributes, isError }) => [
        attributes["taskrunner.task.id"],
        attributes["taskrunner.task.attempt"],
        attributes["taskrunner.task.outcome"],
        attributes["process.exit.code"],
        attributes["taskrunner.task.signal"],
        attributes["error.type"],
        isError,
      ]),
      [
        ["fine", 1, "ok", 0, undefined, undefined, false],
        ["flaky", 1, "failed", 3, undefined, "failed", true],
        ["flaky", 2, "failed", 3, undefined, "failed", true],
        ["slow", 1, "timeout", 124, "SIGTERM", "timeout", true],
        ["killed", 1, "killed", 137, "SIGKILL", "killed", true],
        ["loud", 1, "output-limit", 143, "SIGTERM", "output-limit", true],
        ["missing", 1, "not-started", 127, undefined, "not-started", true],
      ],
    );
    for (const span of attempts) {
      assertEquals([span.name, span.kind, span.traceId, span.parentSpanId], ["task", 3, run.traceId, run.spanId]);
      assertEquals(span.attributes["taskrunner.slot"], 1);
      // OpenTelemetry reads the wall clock at the start of a span, then a monotonic clock for its duration. The time between
      // the two reads is missing at the end of the span.
      const times = [run.startMs, span.startMs, span.endMs, afterMs + 2];
      assert(run.startMs <= span.startMs + 1 && span.startMs <= span.endMs && span.endMs <= afterMs + 2, `${times}`);
    }
    const slow = attempts[3]!;
    assert(slow.endMs - slow.startMs >= 199, `${slow.endMs - slow.startMs}`);
    assertEquals([run.kind, run.parentSpanId, run.isError, run.attributes], [1, undefined, true, {
      "error.type": "failed-tasks",
    }]);
    assert(beforeMs - 1 <= run.startMs && run.endMs <= afterMs + 1);
    assertEquals([run.resource["service.name"], run.resource["service.version"]], ["taskrunner", "0.1.0"]);
    assert(!receiver.text.includes("secret"), receiver.text);
  });
});

for (const executor of ["shell", "process"]) {
  test(`a task finds the span of its attempt in TRACEPARENT, with the ${executor} executor`, async () => {
    await withOtlpReceiver(async (receiver) => {
      const tasks = [
        { cmd: "echo $TRACEPARENT; exit 1", retries: 1 },
        { cmd: ["sh", "-c", "echo $TRACEPARENT $A"], env: { A: "1" } },
        { cmd: "echo $TRACEPARENT ${TRACESTATE-none}", env: { TRACEPARENT: "its own" } },
      ];
      const args = ["-k", "--executor", executor];
      const { status, results } = await taskrunner(args, { stdin: jsonLines(tasks), env: receiver.env });
      const { attempts, run } = receiver.trace;
      const spanOf = (id: string, attempt: number) => {
        return attempts.find(({ attributes }) => {
          return attributes["taskrunner.task.id"] === id && attributes["taskrunner.task.attempt"] === attempt;
        })!.spanId;
      };
      assertEquals([status, results.map(({ stdout }) => stdout)], [1, [
        `00-${run.traceId}-${spanOf("1", 2)}-01\n`,
        `00-${run.traceId}-${spanOf("2", 1)}-01 1\n`,
        "its own none\n",
      ]]);
      assert(spanOf("1", 1) !== spanOf("1", 2));
    });
  });
}

test("the run continues a valid trace from its environment", async () => {
  await withOtlpReceiver(async (receiver) => {
    const trace = async (TRACEPARENT: string) => {
      receiver.requests.length = 0;
      const { results: [result] } = await taskrunner([], {
        stdin: jsonLines([{ cmd: 'echo "$TRACEPARENT $TRACESTATE"' }]),
        env: { ...receiver.env, TRACEPARENT, TRACESTATE: "vendor=1", OTEL_METRICS_EXPORTER: "none" },
      });
      return result!.stdout;
    };
    const seen = await trace(`00-${TRACE}-${PARENT}-01`);
    const { attempts: [attempt], run } = receiver.trace;
    assertEquals([run.traceId, run.parentSpanId, run.isError], [TRACE, PARENT, false]);
    assertEquals(seen, `00-${TRACE}-${attempt!.spanId}-01 vendor=1\n`);

    assertMatch(await trace(`00-${TRACE}-0000000000000000-01`), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01 \n$/);
    assert(receiver.trace.run.traceId !== TRACE);
    assertEquals(receiver.trace.run.parentSpanId, undefined);

    assertMatch(
      await trace(`00-${TRACE}-${PARENT}-00`),
      new RegExp(`^00-${TRACE}-(?!${PARENT})[0-9a-f]{16}-00 vendor`),
    );
    assertEquals(receiver.requests, []); // the parent is not sampled
  });
});

test("the metrics count running, done and failed tasks", async () => {
  await withOtlpReceiver(async (receiver) => {
    await withTempDirectory(async (directory) => {
      const wait = { cmd: "until test -e go; do sleep 0.01; done", cwd: directory };
      const tasks = [{ cmd: "true" }, { cmd: "exit 3", retries: 2 }, { cmd: ["no-such-program"] }, wait, wait];
      const { ended } = startTaskrunner(["-j2", "-q"], {
        stdin: jsonLines(tasks),
        env: { ...receiver.env, OTEL_METRIC_EXPORT_INTERVAL: "50" },
      });
      const running = () => receiver.metrics["taskrunner.tasks.running {task}"];
      await waitFor("both to run", () => running() === 2 && receiver.metrics["taskrunner.tasks.done {task} ok"] === 1);
      await writeFile(join(directory, "go"), "");
      assertEquals((await ended).status, 2);
      assertEquals(receiver.metrics, {
        "taskrunner.tasks.running {task}": 0,
        "taskrunner.tasks.done {task} ok": 3,
        "taskrunner.tasks.done {task} failed": 1,
        "taskrunner.tasks.done {task} not-started": 1,
        "taskrunner.tasks.failed {task} failed": 1,
        "taskrunner.tasks.failed {task} not-started": 1,
      });
    });
  });
});

test("a skipped task has no span, and counts as done but not as failed", async () => {
  await withOtlpReceiver(async (receiver) => {
    await withTempDirectory(async (directory) => {
      const tasks = [{ id: "a", cmd: "true" }, { id: "b", cmd: "echo ran", after: "a", runIf: "failed" }];
      const { ended } = startTaskrunner(["-q", await taskFile(directory, tasks)], { stdin: "", env: receiver.env });
      assertEquals((await ended).status, 0);
      const { attempts, run } = receiver.trace;
      assertEquals([attempts.length, run.isError], [1, false]);
      assertEquals(receiver.metrics, {
        "taskrunner.tasks.running {task}": 0,
        "taskrunner.tasks.done {task} ok": 1,
        "taskrunner.tasks.done {task} skipped": 1,
      });
    });
  });
});

test("the default protocol is http/protobuf", async () => {
  await withOtlpReceiver(async ({ url, requests }) => {
    const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/spans`, OTEL_SERVICE_NAME: "nightly" };
    await taskrunner(["each", "true", ":::", "x"], { env });
    assertEquals(requests.map(({ path, headers }) => [path, headers["content-type"]]), [
      ["/spans", "application/x-protobuf"],
    ]);
    const texts = (path: number[]) => {
      return fieldsOf(requests[0]!.body, path).map((bytes) => new TextDecoder().decode(bytes));
    };
    assertEquals(texts([1, 2, 2, 5]), ["task", "run"]);
    assert(texts([1, 1, 1, 2, 1]).includes("nightly"));
  });
});

const TROUBLES: Record<string, { answer?: OtlpReceiver["answer"]; reason: string }> = {
  "is unreachable": { reason: "the collector did not accept them within 5 s" },
  "does not respond": { answer: () => {}, reason: "the collector did not accept them within 5 s" },
  "rejects the request": {
    answer: ({ headers }, response) => response.writeHead(401, `${headers["x-token"]}`).end(JSON.stringify(headers)),
    reason: "the collector responded with HTTP status 401",
  },
};

for (const [trouble, { answer, reason }] of Object.entries(TROUBLES)) {
  test(`a collector that ${trouble} changes no result, and is reported once without secrets`, async () => {
    await withOtlpReceiver(async (receiver) => {
      receiver.answer = answer ?? receiver.answer;
      const OTEL_EXPORTER_OTLP_ENDPOINT = answer ? receiver.url : "http://user:p4ssword@127.0.0.1:1";
      const { status, stdout, stderr, results } = await taskrunner(["-k"], {
        stdin: jsonLines([{ cmd: "echo 1" }, { cmd: "exit 3" }]),
        env: { ...receiver.env, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: "x-token=s3cret" },
      });
      assertEquals([status, results.map(({ stdout, outcome }) => [stdout, outcome])], [1, [["1\n", "ok"], [
        "",
        "failed",
      ]]]);
      const what = "3 of 3 spans and the metrics did not reach the collector";
      assertEquals(stderr, `taskrunner: telemetry: ${what}: ${reason}\n`);
      assert(!/s3cret|p4ssword/.test(stdout + stderr));
    });
  });
}

test("spans that overflow the queue of a slow collector are counted", async () => {
  await withOtlpReceiver(async (receiver) => {
    const released = Promise.withResolvers<void>();
    receiver.answer = (_, response) => void released.promise.then(() => response.end("{}"));
    const { output, ended } = startTaskrunner(["-q"], {
      stdin: jsonLines(Array.from({ length: 20 }, () => ({ cmd: "true" }))),
      env: { ...receiver.env, OTEL_BSP_MAX_QUEUE_SIZE: "2", OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "2" },
    });
    await waitFor("all results", () => parseResults(output.stdout).length === 20);
    released.resolve();
    const { status, stderr } = await ended;
    const lost = 21 - receiver.spans.length;
    assert(lost > 0);
    assertEquals([status, stderr], [
      0,
      `taskrunner: telemetry: ${lost} of 21 spans did not reach the collector: the collector is too slow\n`,
    ]);
  });
});

test("spans of tasks that SIGTERM ends reach the collector", async () => {
  await withOtlpReceiver(async (receiver) => {
    await withTempDirectory(async (directory) => {
      const { child, ended } = startTaskrunner(["-q", "-j1"], {
        stdin: jsonLines([{ cmd: "true" }, { cmd: `touch ${directory}/on; sleep 300` }, { cmd: "true" }]),
        env: receiver.env,
      });
      await waitFor("the task", () => existsSync(join(directory, "on")));
      process.kill(child.pid!, "SIGTERM");
      const { status, stderr } = await ended;
      assertEquals(status, 143, stderr);
      const { attempts, run } = receiver.trace;
      assertEquals(attempts.map(({ attributes }) => attributes["taskrunner.task.outcome"]), ["ok", "canceled"]);
      assertEquals(run.attributes["error.type"], "InterruptedError");
      assertEquals(receiver.metrics["taskrunner.tasks.done {task} canceled"], 1);
      assertEquals(receiver.metrics["taskrunner.tasks.failed {task} canceled"], undefined);
    });
  });
});

test("a task on another machine finds its span, and a resumed run keeps earlier results", async () => {
  await withNatsServer(async (server, directory) => {
    await withOtlpReceiver(async (receiver) => {
      await withWorker(server, async () => {
        const output = join(directory, "results.jsonl");
        const once = (id: string) => ({ id, cmd: `echo $TRACEPARENT; echo x >> ${directory}/${id}` });
        const wait = { id: "wait", cmd: `until test -e ${directory}/go; do sleep 0.01; done` };
        const args = natsArgs(server, "-q", "-j3", "-k", "-o", output, "--resume");
        const options = { stdin: jsonLines([wait, once("a")]), env: receiver.env };
        const first = startTaskrunner(args, options);
        await waitFor("the second task", () => existsSync(join(directory, "a")));
        process.kill(first.child.pid!, "SIGKILL");
        await first.ended;
        await writeFile(join(directory, "go"), "");
        const { status, stderr } = await taskrunner(args, options);
        assertEquals([status, stderr], [0, ""]);
        const { attempts } = receiver.trace;
        assertEquals(attempts.map(({ attributes }) => attributes["taskrunner.task.outcome"]), ["ok", "ok"]);
        assertEquals(typeof attempts[0]!.attributes["taskrunner.worker.host"], "string");
        assertEquals(await readFile(join(directory, "a"), "utf8"), "x\n");
        const [waited, before] = parseResults(await readFile(output, "utf8"));
        assertEquals(waited!.id, "wait");
        assertMatch(before!.stdout, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01\n$/);
      });
    });
  });
});

test("RunTrace.startAttempt() ends the span of each attempt that began", async () => {
  const settings = readTelemetrySettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://127.0.0.1:9" });
  const { common, traces } = await loadPackages(settings);
  const spans: ReadableSpan[] = [];
  class Exporter {
    export(batch: ReadableSpan[], callback: (result: { code: number }) => void): void {
      spans.push(...batch);
      callback({ code: 0 });
    }
    shutdown(): Promise<void> {
      return Promise.resolve();
    }
  }
  const packages = { sdk: traces!.sdk, exporter: { OTLPTraceExporter: Exporter } } as unknown as TracesPackages;
  const resource = common.resources.defaultResource();
  const trace = new RunTrace(common, packages, resource, new Delivery(), readTelemetryNumbers({}, () => {}));
  const ends: [id: string, result: AttemptResult | undefined][] = [
    ["exited", resultWithoutOutput({ kind: "exited", status: 0 })],
    ["signaled", resultWithoutOutput({ kind: "signaled", signal: "SIGKILL", status: 137 })],
    ["stopped", { ...resultWithoutOutput({ kind: "withdrawn" }), stoppedBy: "canceled" }],
    ["unknown", undefined],
    ["no-resources", resultWithoutOutput({ kind: "no-resources", reason: "none" })],
    ["withdrawn", resultWithoutOutput({ kind: "withdrawn" })],
  ];
  for (const [id, result] of ends) {
    const { env, onEnd } = trace.startAttempt({ id, sequence: 1, number: 1, slot: 3, task: { cmd: "x" } });
    assertMatch(env["TRACEPARENT"]!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    onEnd(result);
  }
  await trace.close(undefined);
  const attempts = spans.filter(({ name }) => name === "task").map(({ attributes }) =>
    ["id", "outcome", "signal"].map((name) => attributes[`taskrunner.task.${name}`])
  );
  assertEquals(attempts, [
    ["exited", "ok", undefined],
    ["signaled", "killed", "SIGKILL"],
    ["stopped", "canceled", undefined],
    ["unknown", "killed", undefined],
  ]);
});

test("readTelemetrySettings() reads the variables of OpenTelemetry", () => {
  const all = "OTEL_EXPORTER_OTLP_ENDPOINT";
  const signal = { protocol: "http/protobuf", address: "collector:4318" } as const;
  const env = { [all]: "http://collector:4318" };
  assertEquals(readTelemetrySettings({}), {});
  assertEquals(readTelemetrySettings({ [all]: " " }), {});
  assertEquals(readTelemetrySettings(env), { traces: signal, metrics: signal });
  assertEquals(readTelemetrySettings({ ...env, OTEL_SDK_DISABLED: "True" }), {});
  assertEquals(readTelemetrySettings({ ...env, OTEL_TRACES_EXPORTER: "none" }), { metrics: signal });
  assertEquals(readTelemetrySettings({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "https://a/b" }), {
    metrics: { ...signal, address: "a:443" },
  });
  assertEquals(readTelemetrySettings({ ...env, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" }), {
    traces: { ...signal, protocol: "http/json" },
    metrics: signal,
  });
  assertThrows(
    () => readTelemetrySettings({ ...env, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }),
    RangeError,
    'OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf or http/json, got "grpc"',
  );
  const { message } = assertThrows(() => readTelemetrySettings({ [all]: "user:s3cret@collector:4318" }), RangeError);
  assertEquals(message, `${all} must be a URL that begins with http:// or https://`);
});

const NUMBERS = [
  "OTEL_BSP_MAX_QUEUE_SIZE",
  "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
  "OTEL_BSP_SCHEDULE_DELAY",
  "OTEL_METRIC_EXPORT_INTERVAL",
  "OTEL_EXPORTER_OTLP_TIMEOUT",
  "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
  "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
] as const;

test("readTelemetryNumbers() reports and ignores numbers out of range", () => {
  const read = (env: Record<string, string>) => {
    const notices: string[] = [];
    return { numbers: readTelemetryNumbers(env, (text) => notices.push(text)), notices };
  };
  const defaults = read({});
  assertEquals(defaults, {
    numbers: {
      maxQueuedSpans: 16_384,
      maxBatchSpans: 1_024,
      sendSpansAfterMs: 5_000,
      metricsIntervalMs: 60_000,
      tracesTimeoutMs: 10_000,
      metricsTimeoutMs: 10_000,
    },
    notices: [],
  });
  for (const name of NUMBERS) {
    const min = name === "OTEL_BSP_SCHEDULE_DELAY" ? 0 : 1;
    for (const value of [`${min - 1}`, "-5", "0.5", "NaN", "Infinity", "-Infinity", "1e300", "2147483648", "10s"]) {
      const { numbers, notices: [notice, ...more] } = read({ [name]: value });
      assertEquals([numbers, more], [defaults.numbers, []]);
      assertEquals(
        notice,
        `telemetry: ${name} must be a whole number from ${min} to 2147483647, got "${value}"; it is ignored`,
      );
    }
    for (const value of ["7", " 1e3 ", "2147483647"]) {
      const { numbers, notices } = read({ [name]: value });
      assertEquals([Object.values(numbers).includes(Number(value)), notices], [true, []], `${name}=${value}`);
    }
    for (const value of ["", " "]) assertEquals(read({ [name]: value }), defaults);
  }
  const { tracesTimeoutMs, metricsTimeoutMs } = read({
    OTEL_EXPORTER_OTLP_TIMEOUT: "7",
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "8",
    OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: "0",
  }).numbers;
  assertEquals([tracesTimeoutMs, metricsTimeoutMs], [8, 7]);
});

test("numbers out of range lose no spans and do not hang the run", async () => {
  await withOtlpReceiver(async (receiver) => {
    for (const value of ["0", "0.5", "1e300"]) {
      receiver.requests.length = 0;
      const { status, stderr } = await taskrunner(["each", "true", ":::", "x", "y"], {
        env: { ...receiver.env, ...Object.fromEntries(NUMBERS.map((name) => [name, value])) },
      });
      const named: string[] = NUMBERS.filter((name) => value !== "0" || name !== "OTEL_BSP_SCHEDULE_DELAY");
      const lines = stderr.trimEnd().split("\n").map((line) => /^taskrunner: telemetry: (\w+) must be/.exec(line)?.[1]);
      assertEquals([status, lines.sort()], [0, named.sort()], stderr);
      assertEquals(receiver.spans.length, 3);
      assertEquals(receiver.metrics["taskrunner.tasks.done {task} ok"], 2);
    }
  });
});

test("invalid settings disable telemetry, and the run continues", async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" };
  const { status, stderr } = await taskrunner(["each", "true", ":::", "x"], { env });
  const reason = 'OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf or http/json, got "grpc"';
  assertEquals([status, stderr], [0, `taskrunner: telemetry is disabled: ${reason}\n`]);
});

if (RUNTIME === "deno") {
  test(
    "on Deno, telemetry needs permission for the environment and the collector, and never prompts",
    async () => {
      await withOtlpReceiver(async (receiver) => {
        const { host } = new URL(receiver.url);
        const withPermissions = async (...permissions: string[]) => {
          const command = [process.execPath, "run", "--allow-run", ...permissions, join(PROJECT, "cli.ts")].join(" ");
          const script = ["-qec", `${command} each -q true ::: x`, "/dev/null"];
          const { stdout } = await start("script", script, { stdin: "", env: receiver.env }).ended;
          return stdout.split("\r\n").slice(0, -1).filter((line) => !line.startsWith('{"id":"x","status":0'));
        };
        assertEquals(await withPermissions(), []);
        assertEquals(await withPermissions("--allow-env"), [
          `taskrunner: telemetry is disabled: Deno needs --allow-net=${host}`,
        ]);
        assertEquals(receiver.requests, []);
        assertEquals(await withPermissions("--allow-env", `--allow-net=${host}`), []);
        assertEquals(receiver.spans.length, 2);
      });
    },
  );
}
