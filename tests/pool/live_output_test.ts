import { Buffer } from "node:buffer";
import { appendFileSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { type Executor, ExecutorError, run, type RunOptions, type Task, TaskRunner } from "../../mod.ts";
import { OutputFollower } from "../../executors/shell/output_follower.ts";
import { LineSplitter, MAX_LIVE_LINE_BYTES, TaskOutput } from "../../pool/task_output.ts";
import { FakeExecutor } from "../support/fake_executor.ts";
import { collect, EFFORT, SEED, until, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const EXECUTORS = ["shell", "process"] as const;

/** Runs tasks, and returns their results with all live output. */
async function runLive(tasks: Task[], options: RunOptions) {
  const outputs: TaskOutput[] = [];
  const results = await collect(run(tasks, { onOutput: (output) => outputs.push(output), ...options }));
  return { outputs, results };
}

const bytesOf = (outputs: readonly TaskOutput[], id: string, stream: string) =>
  Buffer.concat(outputs.filter((output) => output.id === id && output.stream === stream).map(({ bytes }) => bytes));

for (const executor of EXECUTORS) {
  test(`with the ${executor} executor, lines arrive while their task runs`, async () => {
    await withTempDirectory(async (cwd) => {
      // The task waits for a file, which the test creates when the first line arrives.
      const cmd = "echo first; until [ -e seen ]; do sleep 0.01; done; echo last >&2";
      const lines: string[] = [];
      const [result] = await collect(run([{ id: "a", cmd, cwd }], {
        executor,
        onOutput({ id, stream, text, slot, attempt }) {
          lines.push(`${id} ${slot} ${attempt} ${stream} ${text}`);
          if (text === "first") writeFile(join(cwd, "seen"), "").catch(() => {});
        },
      }));
      assertEquals(lines, ["a 1 1 stdout first", "a 1 1 stderr last"]);
      assertEquals([result!.stdout, result!.stderr], ["first\n", "last\n"]);
    });
  });

  test(`with the ${executor} executor, live output equals the output in the result`, async () => {
    const tasks: Task[] = [
      { id: "binary", cmd: "head -c 3000000 /dev/urandom; printf err >&2" },
      { id: "lines", cmd: "seq 200000; seq 3 >&2; printf unfinished" },
      { id: "program", cmd: ["printf", "%s\\n", "a", "b"] },
      { id: "pipe", cmd: "seq 9 | tee /dev/stderr" },
      { id: "none", cmd: ":" },
    ];
    for (const outputBy of ["line", "lines", "chunk"] as const) {
      const { outputs, results } = await runLive(tasks, { executor, outputBy, maxInlineBytes: 8 * 1024 ** 2 });
      for (const { id, stdout, stdoutEncoding, stderr } of results) {
        assert(bytesOf(outputs, id, "stdout").equals(Buffer.from(stdout, stdoutEncoding ?? "utf8")), id);
        assertEquals(bytesOf(outputs, id, "stderr").toString(), stderr);
      }
      if (outputBy === "chunk") continue;
      for (const { id, bytes, continues } of outputs) {
        if (["lines", "program", "pipe"].includes(id)) assert(bytes.at(-1) === 0x0a || id === "lines" && !continues);
      }
      if (outputBy === "lines") {
        assert(outputs.length < 1_000, `${outputs.length} pieces`);
        continue;
      }
      assertEquals(outputs.filter(({ id }) => id === "program").map(({ text }) => text), ["a", "b"]);
      assertEquals(outputs.filter(({ id }) => id === "lines").length, 200_000 + 3 + 1);
      assertEquals(outputs.findLast(({ id, stream }) => id === "lines" && stream === "stdout")!.text, "unfinished");
    }
  });

  test(`with the ${executor} executor, live output ends at the limit, and has the number of the attempt`, async () => {
    const { outputs, results } = await runLive([
      { id: "much", cmd: "yes" },
      { id: "again", cmd: "echo hi; exit 1", retries: 1 },
      { id: "nothing", cmd: ["/nowhere/program"] },
    ], { executor, maxOutputBytes: 10_000 });
    assertEquals(bytesOf(outputs, "much", "stdout").length, 10_000);
    assertEquals(outputs.filter(({ id }) => id === "again").map(({ attempt, text }) => [attempt, text]), [
      [1, "hi"],
      [2, "hi"],
    ]);
    assertEquals(outputs.filter(({ id }) => id === "nothing"), []);
    assertEquals(results.map(({ id, outcome }) => `${id} ${outcome}`).sort(), [
      "again failed",
      "much output-limit",
      "nothing not-started",
    ]);
  });

  test(`with the ${executor} executor, a slow onOutput does not delay the check of a limit by much`, async () => {
    await withTempDirectory(async (directory) => {
      const gate = join(directory, "gate");
      const { results } = await runLive([
        { id: "first", cmd: "echo a; sleep 0.5", timeoutMs: 60_000 },
        { id: "much", cmd: `${until(gate)}; while :; do echo much; sleep 0.01; done`, timeoutMs: 10_000 },
      ], {
        executor,
        concurrency: 2,
        maxOutputBytes: 10,
        onOutput({ id }) {
          if (id !== "first") return;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
          writeFileSync(gate, "");
        },
      });
      assertEquals(results.map(({ id, outcome }) => `${id} ${outcome}`).sort(), ["first ok", "much output-limit"]);
    });
  });

  test(`with the ${executor} executor, an exception of onOutput stops the run`, async () => {
    const onOutput = () => {
      throw new Error("enough");
    };
    await assertRejects(() => runLive([{ cmd: "echo hi; sleep 60" }], { executor, onOutput }), Error, "enough");
    const rejects = () => Promise.reject(new Error("too much"));
    const tasks = [{ cmd: "echo hi; sleep 60" }];
    await assertRejects(() => runLive(tasks, { executor, onOutput: rejects }), Error, "too much");
  });

  test(`with the ${executor} executor, no output arrives after an exception of onOutput`, async () => {
    let calls = 0;
    const onOutput = () => {
      calls++;
      throw new Error("enough");
    };
    const tasks = [{ cmd: "head -c 1000000 /dev/zero; sleep 60" }];
    await assertRejects(() => runLive(tasks, { executor, onOutput, outputBy: "chunk" }), Error, "enough");
    assertEquals(calls, 1);
  });

  test(`with the ${executor} executor, output waits for the promise of onOutput, and is complete`, async () => {
    const waiting = new Set<string>();
    let [overlaps, bytes] = [0, 0];
    const [result] = await collect(run([{ cmd: "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2" }], {
      executor,
      outputBy: "chunk",
      maxInlineBytes: 4 * 1024 ** 2,
      async onOutput(output) {
        if (waiting.has(output.stream)) overlaps++;
        waiting.add(output.stream);
        bytes += output.bytes.length;
        await new Promise((resolve) => setTimeout(resolve));
        waiting.delete(output.stream);
      },
    }));
    assertEquals([overlaps, bytes, result!.stdout.length, result!.stderr.length], [0, 6e6, 3e6, 3e6]);
    assertEquals(waiting.size, 0); // the result waits, too
  });
}

test("the last line of a task arrives when its executor fails", async () => {
  const executor: Executor = {
    reportsOutput: true,
    start(_attempt, { onOutput }) {
      const ended = Promise.resolve().then(() => {
        assertEquals(onOutput!("stdout", Buffer.from("last")), undefined);
        throw new Error("gone");
      });
      return { ended, terminate() {} };
    },
    discard: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const lines: string[] = [];
  const results = run([{ cmd: "x" }], { executor, onOutput: ({ text }) => lines.push(text) });
  await assertRejects(() => collect(results), ExecutorError, "gone");
  assertEquals(lines, ["last"]);
});

test("run() and TaskRunner reject onOutput where it would never be called", () => {
  const onOutput = () => {};
  assertThrows(() => run([], { executor: new FakeExecutor(), onOutput }), RangeError, "onOutput needs the executor");
  assertThrows(
    () => new TaskRunner({ onOutput }),
    RangeError,
    "onOutput is a function of this process; set { isolate: false }",
  );
  assertThrows(
    () => run([], { outputBy: "word" as "line" }),
    RangeError,
    'outputBy must be "line", "lines" or "chunk"',
  );
});

test("TaskOutput.text replaces invalid UTF-8, and removes only the newline", () => {
  const attempt = { task: { cmd: "x" }, id: "1", sequence: 1, number: 1, slot: 1 };
  const textOf = (...bytes: number[]) => new TaskOutput(attempt, "stdout", Uint8Array.from(bytes)).text;
  assertEquals([textOf(0xc3, 0xa9, 0x0a), textOf(0xff, 0x0a), textOf(0x0a), textOf(0x20)], ["é", "\uFFFD", "", " "]);
});

test("LineSplitter delivers whole lines from any chunks, and long lines in parts", () => {
  const bytes = fc.array(fc.constantFrom("a", "\n", "é", "b".repeat(MAX_LIVE_LINE_BYTES - 1)), { maxLength: 30 });
  const property = fc.property(bytes, fc.array(fc.nat(100_000), { maxLength: 10 }), (parts, cuts) => {
    const input = Buffer.from(parts.join(""));
    const lines: Uint8Array[] = [];
    const continued: boolean[] = [];
    const splitter = new LineSplitter((line, continues) => {
      lines.push(line);
      continued.push(continues);
    });
    let begin = 0;
    for (const cut of [...cuts.map((cut) => cut % (input.length + 1)).sort((a, b) => a - b), input.length]) {
      splitter.push(input.subarray(begin, cut));
      begin = cut;
    }
    splitter.flush();
    assert(Buffer.concat(lines).equals(input));
    for (const [index, line] of lines.entries()) {
      const newline = line.indexOf(0x0a);
      assert(newline === -1 || newline === line.length - 1);
      assert(newline !== -1 || line.length === MAX_LIVE_LINE_BYTES || index === lines.length - 1);
      assert(line.length > 0 && line.length <= MAX_LIVE_LINE_BYTES);
      assertEquals(continued[index], newline === -1 && index < lines.length - 1);
    }
  });
  fc.assert(property, { numRuns: 100 * EFFORT, seed: SEED });
});

test("OutputFollower.readAll() ignores bytes that are appended during the read, and allocates no spare memory", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "output");
    await writeFile(path, "a".repeat(100_000));
    const chunks: Uint8Array[] = [];
    const follower = new OutputFollower(path, 1_000_000, (bytes) => {
      chunks.push(bytes);
      appendFileSync(path, "b".repeat(100_000)); // as a background process does
    });
    await follower.readAll();
    assertEquals(Buffer.concat(chunks).toString(), "a".repeat(100_000));
    assertEquals(chunks.map(({ buffer }) => buffer.byteLength), chunks.map(({ length }) => length));
    await new OutputFollower(join(directory, "none"), 1, () => {}).readAll();
  });
});
