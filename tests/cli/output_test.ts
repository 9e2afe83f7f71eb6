/** Tests of the output of runs: formats, tags, lines, and notices about failed tasks. */

import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { failureNotice } from "../../cli/output/failure_notice.ts";
import { lastLines } from "../../cli/output/last_lines.ts";
import { LineSink } from "../../cli/output/line_sink.ts";
import { OrderedOutput, type StreamName } from "../../cli/output/ordered_output.ts";
import { ByteLineTagger, LineTagger, tagger } from "../../cli/output/tag.ts";
import { TaskOutput } from "../../pool/task_output.ts";
import {
  EFFORT,
  parseResults,
  resultWith,
  SEED,
  shell,
  startTaskrunner,
  taskFile,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

const EXECUTORS = ["shell", "process"] as const;
const run = (...args: string[]) => startTaskrunner(args, { stdin: "" }).ended;

test("each writes what its tasks print, and run writes results, unless --format says otherwise", async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, [{ id: "a", cmd: "echo out; echo err >&2" }]);
    const file = join(directory, "results.jsonl");
    const each = (...flags: string[]) => run("each", ...flags, "echo out {}; echo err >&2", ":::", "a");
    const isJson = (text: string) => parseResults(text).length === 1 && text.startsWith("{");
    const textOfEach = await each();
    assertEquals([textOfEach.stdout, textOfEach.stderr, textOfEach.status], ["out a\n", "err\n", 0]);
    assert(isJson((await each("--format", "json")).stdout));
    const none = await each("--format", "none");
    assertEquals(none.stdout, "");
    assertMatch(none.stderr, /^taskrunner: 1 task in [^\n]*\n$/);
    const recorded = await each("-o", file);
    assertEquals(recorded.stdout, "out a\n");
    assertMatch(recorded.stderr, /^err\ntaskrunner: 1 task in [^\n]*\n$/);
    assert(isJson(await readFile(file, "utf8")));
    assert(isJson((await each("-o", "-")).stdout));

    assert(isJson((await run(tasks)).stdout));
    const text = await run(tasks, "--format", "text");
    assertEquals([text.stdout, text.stderr], ["out\n", "err\n"]);
    assertEquals((await run(tasks, "-o", `${file}2`)).stdout, "");
    assert(isJson((await run(tasks, "-o", `${file}3`, "--format", "json")).stdout));
    assertEquals((await run(tasks, "-q", "-o", `${file}4`, "--tag")).stdout, "a\tout\n");
    for (const name of ["2", "3", "4"]) assert(isJson(await readFile(file + name, "utf8")), name);
  });
});

test("the exit status is that of the run in every format", async () => {
  for (const flags of [["--format", "text"], ["--format", "json"], ["--format", "none"], ["--lines"], ["--tag"]]) {
    const { status } = await run("each", ...flags, "exit {}", ":::", "0", "1", "2");
    assertEquals(status, 2, flags.join(" "));
  }
});

test("text has the outputs byte for byte, and leaves no files without -o", async () => {
  await withTempDirectory(async (directory) => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await writeFile(join(directory, "small"), bytes);
    await writeFile(join(directory, "large"), Buffer.concat(Array.from({ length: 9_000 }, () => bytes)));
    await writeFile(join(directory, "text"), "é\ufeff\r\n\0 without a newline");
    await writeFile(join(directory, "empty"), "");
    const names = ["text", "large", "empty", "small", "text"];
    const env = { TMPDIR: directory };
    const run = (flags: string) =>
      shell(
        `$RUNTIME cli.ts each -k ${flags} 'cd ${directory}; cat {}; cat {} >&2' ::: ${names.join(" ")} ` +
          `>${directory}/out 2>${directory}/err`,
        { env },
      );
    const expected = Buffer.concat(await Promise.all(names.map((name) => readFile(join(directory, name)))));
    const before = (await readdir(directory)).length + 2;
    for (const flags of ["", "-j1 --max-inline 3", "--spill-dir $TMPDIR/spilled --max-inline 100"]) {
      assertEquals((await run(flags)).status, 0);
      for (const name of ["out", "err"]) {
        assert(expected.equals(await readFile(join(directory, name))), `${flags} ${name}`);
      }
      const spilled = join(directory, "spilled");
      assertEquals(existsSync(spilled) ? await readdir(spilled) : [], []);
      assertEquals((await readdir(directory)).length, before + (existsSync(spilled) ? 1 : 0), flags);
    }
    await run("-q -o $TMPDIR/results.jsonl");
    assertEquals(await readdir(join(directory, "results.jsonl.output")), ["2.stderr", "2.stdout"]);
    assert(expected.equals(await readFile(join(directory, "out"))));
  });
});

test("text never mixes the outputs of tasks, also when both streams are the same pipe", async () => {
  const cmd = 'for i in 1 2 3; do seq -f "{} out $i %g" 20000; seq -f "{} err $i %g" 9 >&2; done';
  const { stdout } = await shell(`$RUNTIME cli.ts each -j4 '${cmd}' ::: a b c d 2>&1`);
  const lines = stdout.split("\n");
  assertEquals(lines.pop(), "");
  const runs = lines.map((line) => line.slice(0, 5)).filter((name, index, all) => name !== all[index - 1]);
  assertEquals(runs.toSorted(), ["a err", "a out", "b err", "b out", "c err", "c out", "d err", "d out"]);
  for (let index = 0; index < runs.length; index += 2) assertEquals(runs[index]![0], runs[index + 1]![0]);
  assertEquals(lines.length, 4 * 3 * (20_000 + 9));
});

test("the end of the reader ends a run with text quietly", async () => {
  for (const flags of ["", "--lines", "--tag --max-inline 10"]) {
    const { stdout, stderr } = await shell(
      `{ $RUNTIME cli.ts each ${flags} 'yes {} | head -c 3000000' ::: $(seq 50); echo "status $?" >&2; } | head -n 1`,
    );
    assertMatch(stdout, /^\d+(\t\d+)?\n$/);
    assertEquals(stderr, "status 141\n", flags);
  }
});

test("text on a full disk is an error with the reason", async () => {
  for (const [stream, name] of [[">", "standard output"], ["2>", "standard error"]]) {
    const { status, stderr } = await shell(
      `$RUNTIME cli.ts each 'echo {}; echo {} >&2' ::: a ${stream}/dev/full`,
    );
    assertEquals(status, 255);
    if (name === "standard output") assertMatch(stderr, /Cannot write to standard output: .*space/);
  }
});

test("--tag puts the id before each line of both streams", async () => {
  const cmd = "printf 'one\\ntwo'; printf 'three\\n' >&2";
  const { stdout, stderr } = await run("each", "-j1", "--tag", cmd, ":::", "a", "b\n\x1b");
  assertEquals(stdout, "a\tone\na\ttwo\nb\\u000a\\u001b\tone\nb\\u000a\\u001b\ttwo\n");
  assertEquals(stderr, "a\tthree\nb\\u000a\\u001b\tthree\n");
  assertEquals((await run("each", "--tag", "true", ":::", "a")).stdout, "");
  assertEquals((await run("each", "--tag", "--color", "always", "echo", ":::", "a")).stdout, "\x1b[36ma\x1b[0m\ta\n");
});

test("LineTagger puts a tag where a line begins, for any chunks", () => {
  const whole = (text: string) => {
    const tagger = new LineTagger("é\t");
    return tagger.add(text) + tagger.end();
  };
  const cases: [string, string][] = [
    ["", ""],
    ["a", "é\ta\n"],
    ["a\n", "é\ta\n"],
    ["a\n\nb\n", "é\ta\né\t\né\tb\n"],
    ["1%\r2%\r3%\n", "é\t1%\ré\t2%\ré\t3%\n"],
    ["a\r\nb\r\n", "é\ta\r\né\tb\r\n"],
    ["a\r", "é\ta\r\n"],
    ["\n", "é\t\n"],
    ["\r\n", "é\t\r\n"],
  ];
  for (const [text, expected] of cases) assertEquals(whole(text), expected);
  const text = fc.array(fc.constantFrom("a", "é", "\n", "\r", "\r\n"), { maxLength: 12 }).map((parts) =>
    parts.join("")
  );
  const property = fc.property(text, fc.array(fc.nat(30)), (text, cuts) => {
    const bytes = Buffer.from(text);
    const tagger = new ByteLineTagger("é\t");
    const parts: Uint8Array[] = [];
    let begin = 0;
    for (const cut of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
      parts.push(tagger.add(bytes.subarray(begin, cut)));
      begin = cut;
    }
    assertEquals(Buffer.concat([...parts, tagger.end()]).toString(), whole(text));
  });
  fc.assert(property, { numRuns: 300 * EFFORT, seed: SEED });
});

test("tags have the color of their id, on terminals only by default", () => {
  const terminals = { stdoutIsTerminal: true, stderrIsTerminal: false };
  const always = tagger("always", terminals);
  assertMatch(always("a", "stderr"), new RegExp("^\x1b\\[\\d\\dma\x1b\\[0m\t$"));
  assertEquals(always("a", "stdout"), tagger("always", terminals)("a", "stderr"));
  const ids = Array.from({ length: 100 }, (_, id) => `${id}`);
  assertEquals(new Set(ids.map((id) => always(id, "stdout").slice(0, 5))).size, 10);
  assertEquals(tagger("never", terminals)("a", "stdout"), "a\t");
  assertEquals(tagger("auto", terminals)("a", "stderr"), "a\t");
});

test("--color auto needs a terminal, and respects NO_COLOR and a terminal without colors", async () => {
  const on = async (variables: string) =>
    (await shell(
      `exec script -qec "env -u NO_COLOR TERM=xterm ${variables} $RUNTIME cli.ts each -q --no-progress --tag echo ::: a" /dev/null`,
    )).stdout.replaceAll("\r", "");
  assertEquals(await on(""), "\x1b[36ma\x1b[0m\ta\n");
  assertEquals([await on("NO_COLOR=1"), await on("TERM=dumb")], ["a\ta\n", "a\ta\n"]);
});

for (const executor of EXECUTORS) {
  test(`with the ${executor} executor, --lines writes lines while tasks run`, async () => {
    await withTempDirectory(async (directory) => {
      const cmd = "echo one; echo two >&2; until [ -e {}/seen ]; do sleep 0.01; done; printf 'no newline'; exit 3";
      const file = join(directory, "results.jsonl");
      const flags = ["--lines", "--tag", "-o", file, "--executor", executor, "--retries", "1"];
      const { output, ended } = startTaskrunner(["each", ...flags, cmd, ":::", directory], { stdin: "" });
      await waitFor("the lines", () => output.stdout.includes("one\n") && output.stderr.includes("two\n"));
      await writeFile(join(directory, "seen"), "");
      const { status, stdout, stderr } = await ended;
      const [one, last] = [`${directory}\tone\n`, `${directory}\tno newline\n`];
      assertEquals([status, stdout], [1, one + last + one + last]);
      assertMatch(
        stderr.replaceAll(directory, "D"),
        /^(D\ttwo\n){2}taskrunner: "D" failed with status 3 after 2 attempts: two\n/,
      );
      const [result] = parseResults(await readFile(file, "utf8"));
      assertEquals([result!.stdout, result!.stderr, result!.attempts], ["one\nno newline", "two\n", 2]);
    });
  });

  test(`with the ${executor} executor, --lines keeps lines of any length whole`, async () => {
    const cmd = 'for i in 1 2 3; do printf %0300000d {}; echo; printf "%s\\n" short{}; done';
    const { stdout, status } = await run(
      "each",
      "--lines",
      "--executor",
      executor,
      "-j4",
      cmd,
      ":::",
      "1",
      "2",
      "3",
      "4",
    );
    const lines = stdout.split("\n").map((line) => line.replace(/^0+/, "long"));
    assertEquals([status, lines.length], [0, 4 * 6 + 1]);
    for (const id of ["1", "2", "3", "4"]) {
      const own = lines.filter((line) => line.endsWith(id));
      assertEquals(own, Array.from({ length: 3 }, () => [`long${id}`, `short${id}`]).flat());
    }
  });
}

for (const executor of EXECUTORS) {
  test(`with the ${executor} executor, --lines writes standard error in the middle of a long line`, async () => {
    const script = "head -c 200000 /dev/zero | tr '\\0' x; yes error | head -n 50000 >&2; : {}";
    const { stdout, stderr, status } = await run("each", "--lines", "-q", "--executor", executor, script, ":::", "a");
    assertEquals([stdout.length, stderr.length, status], [200_001, 300_000, 0]);
  });
}

/** Collects what is written, in order. */
function recorder() {
  const pieces: [StreamName, string][] = [];
  const sink = (stream: StreamName) => ({
    write: (bytes: Uint8Array) => void pieces.push([stream, Buffer.from(bytes).toString()]),
  });
  return { pieces, sinks: { stdout: sink("stdout"), stderr: sink("stderr") } };
}

test("LineSink holds the output of other tasks while a long line arrives in parts", async () => {
  const { pieces, sinks } = recorder();
  const lines = new LineSink(new OrderedOutput(sinks), (id) => `${id}:`);
  const take = (id: string, stream: StreamName, text: string, continues = false) => {
    const attempt = { task: { cmd: "x" }, id, sequence: 1, number: 1, slot: id.charCodeAt(0) };
    return lines.take(new TaskOutput(attempt, stream, Buffer.from(text), continues));
  };
  const waiting = new Set<string>();
  const held = (name: string, wait: Promise<void> | undefined) => {
    waiting.add(name);
    const end = () => waiting.delete(name);
    wait!.then(end, end);
  };
  assertEquals(take("a", "stdout", "a1", true), undefined);
  held("b1", take("b", "stdout", "b1", true));
  assertEquals(take("a", "stderr", "e\n"), undefined); // else the task would wait for itself
  held("d", take("d", "stderr", "d\n"));
  assertEquals(take("a", "stdout", "a\r2", true), undefined);
  held("c1", take("c", "stdout", "c1", true));
  assertEquals([...waiting], ["b1", "d", "c1"]);
  assertEquals(take("a", "stdout", "a3\n"), undefined);
  await lines.flush();
  assertEquals([...waiting], ["d", "c1"]); // the line of b continues, and makes the others wait again
  assertEquals(take("b", "stdout", "b2"), undefined);
  await lines.flush();
  assertEquals([...waiting], []);
  held("b3", take("b", "stdout", "b3"));
  assertEquals(take("c", "stdout", "c2"), undefined);
  await lines.flush();
  assertEquals([...waiting], []);
  assertEquals(pieces.map(([, text]) => text).join(""), "a:a1a:e\na\ra:2a3\nb:b1b2\nd:d\nc:c1c2\nb:b3\n");
});

test("LineSink breaks a long line for which others have waited for ten seconds", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const { pieces, sinks } = recorder();
    const lines = new LineSink(new OrderedOutput(sinks), (id) => `${id}:`);
    const take = (slot: number, stream: StreamName, text: string, continues = false) => {
      const attempt = { task: { cmd: "x" }, id: `${slot}`, sequence: 1, number: 1, slot };
      return lines.take(new TaskOutput(attempt, stream, Buffer.from(text), continues));
    };
    assertEquals(take(1, "stdout", "long", true), undefined);
    assertEquals(take(1, "stderr", "meter", true), undefined);
    await clock.advance(50_000); // nobody waits
    const waits = [take(2, "stdout", "two", true), take(3, "stdout", "three\n")];
    await clock.advance(9_999);
    assertEquals(pieces.length, 2);
    await clock.advance(1);
    assertEquals(await waits[0], undefined);
    await clock.advance(10_000); // for the line of the second task
    assertEquals(await waits[1], undefined);
    assertEquals(take(1, "stdout", "more\n"), undefined);
    await lines.flush();
    const text = (name: StreamName) => pieces.filter(([stream]) => stream === name).map(([, text]) => text).join("");
    assertEquals(text("stdout"), "1:long\n2:two\n3:three\n1:more\n");
    assertEquals(text("stderr"), "1:meter\n");
    assertEquals(clock.waiting, 0);
  });
});

test("LineSink breaks no long line after an error of its stream", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const fail = { write: () => Promise.reject(new Error("gone")) };
    const lines = new LineSink(new OrderedOutput({ stdout: fail, stderr: fail }), undefined);
    const piece = (slot: number) =>
      new TaskOutput({ task: { cmd: "x" }, id: "1", sequence: 1, number: 1, slot }, "stdout", Buffer.from("x"), true);
    assertEquals(lines.take(piece(1)), undefined);
    const wait = assertRejects(() => lines.take(piece(2))!, Error, "gone");
    await clock.advance(10_000);
    await wait;
  });
});

test("LineSink releases the held output when a stream fails", async () => {
  const fail = { write: () => Promise.reject(new Error("gone")) };
  const output = new OrderedOutput({ stdout: fail, stderr: fail });
  const lines = new LineSink(output, undefined);
  const attempt = (slot: number) => ({ task: { cmd: "x" }, id: "1", sequence: 1, number: 1, slot });
  const piece = (slot: number, continues: boolean) =>
    new TaskOutput(attempt(slot), "stdout", Buffer.from("x"), continues);
  assertEquals(lines.take(piece(1, true)), undefined);
  const wait = assertRejects(() => lines.take(piece(2, false))!, Error, "gone");
  await assertRejects(() => output.flush(), Error, "gone");
  assertThrows(() => lines.take(piece(1, false)), Error, "gone");
  await wait;
  assertThrows(() => lines.write(), Error, "gone");
});

test("OrderedOutput keeps the order of both streams, and writes what arrives meanwhile together", async () => {
  const { pieces, sinks } = recorder();
  const output = new OrderedOutput(sinks);
  const write = (stream: StreamName, data: string | Uint8Array) => assertEquals(output.write(stream, data), undefined);
  for (const text of ["a", "b", "", "c"]) write("stdout", text);
  write("stderr", Buffer.from([0x65]));
  write("stderr", "é");
  write("stdout", "d");
  await output.flush();
  assertEquals(pieces, [["stdout", "a"], ["stdout", "bc"], ["stderr", "eé"], ["stdout", "d"]]);
  assertEquals(output.write("stdout", "x".repeat(2 ** 20)), undefined); // is being written
  const wait = output.write("stdout", "x".repeat(2 ** 20));
  assert(wait instanceof Promise);
  await wait;
  assertEquals(pieces.at(-1)![1].length, 2 ** 20);
});

test("failureNotice() names the task, its end, and the last line of its standard error", async () => {
  const of = (fields: Parameters<typeof resultWith>[0]) => failureNotice(resultWith({ id: "b\n", ...fields }));
  const failed = { outcome: "failed", status: 3 } as const;
  assertEquals(of({}), undefined);
  assertEquals(of({ outcome: "canceled" }), undefined);
  assertEquals(of({ ...failed, stderr: "" }), 'taskrunner: "b\\n" failed with status 3');
  assertEquals(
    of({ ...failed, stderr: "one\n two\x1b \n\n", attempts: 2 }),
    'taskrunner: "b\\n" failed with status 3 after 2 attempts: two\\u001b',
  );
  assertEquals(of({ ...failed, stderr: "1%\r2%" }), 'taskrunner: "b\\n" failed with status 3: 2%');
  assertEquals(
    of({ ...failed, stderr: btoa("\xff!"), stderrEncoding: "base64" }),
    'taskrunner: "b\\n" failed with status 3: \ufffd!',
  );
  assertEquals(
    of({ ...failed, stderr: "x".repeat(300) }),
    `taskrunner: "b\\n" failed with status 3: ${"x".repeat(200)}…`,
  );
  assertEquals(of({ outcome: "timeout", status: 124, durationMs: 1500 }), 'taskrunner: "b\\n" timed out after 1.5 s');
  assertEquals(of({ outcome: "killed", status: 137, signal: "SIGKILL" }), 'taskrunner: "b\\n" was killed by SIGKILL');
  assertEquals(
    of({ outcome: "killed", status: null, error: "Cannot tell how the task ended" }),
    'taskrunner: "b\\n" was killed: Cannot tell how the task ended',
  );
  assertEquals(of({ outcome: "output-limit", status: 143 }), 'taskrunner: "b\\n" printed more than its limit');
  assertEquals(
    of({ outcome: "not-started", status: 126, error: "Cannot start the task: no" }),
    'taskrunner: "b\\n" could not start: no',
  );
  assertEquals(
    of({ outcome: "failed", status: 0, error: "Cannot keep it" }),
    'taskrunner: "b\\n" failed: Cannot keep it',
  );
  await withTempDirectory(async (directory) => {
    const stderrFile = join(directory, "1.stderr");
    await writeFile(stderrFile, "x\n".repeat(100_000) + "last\n");
    assertEquals(await of({ ...failed, stderr: "x", stderrFile }), 'taskrunner: "b\\n" failed with status 3: last');
    assertEquals(
      await of({ ...failed, stderr: "x", stderrFile: "/dev/zero" }),
      'taskrunner: "b\\n" failed with status 3',
    );
  });
});

test("lastLines() returns the last lines that are not blank", () => {
  const of = (stderr: string, count: number) => lastLines({ stderr }, count);
  assertEquals(of("a\nb\n\n c\n", 2), ["b", " c"]);
  assertEquals(of("a", 3), ["a"]);
  assertEquals(of("\n\r\n", 3), []);
  assertEquals(of("", 1), []);
});

test("a failed task is reported once, when it ends, unless --quiet is given", async () => {
  const cmd = "[ {} = a ] || { sleep 0.05; echo why >&2; exit 3; }";
  const { stderr } = await run("each", "-j1", cmd, ":::", "a", "b");
  assertEquals(stderr, 'why\ntaskrunner: "b" failed with status 3: why\n');
  assertEquals((await run("each", "-q", "-j1", cmd, ":::", "a", "b")).stderr, "why\n");
});

test("flags of the output that exclude each other are errors", async () => {
  const wrong: [flags: string[], message: string][] = [
    [["--tag", "--format", "json"], "Cannot use --tag with --format json: --tag is for --format text"],
    [["--lines", "--format", "none"], "Cannot use --lines with --format none: --lines is for --format text"],
    [["--lines", "-k"], "Cannot use --lines with --keep-order: --lines writes lines while their tasks run"],
    [["--lines", "--nats", "nats://h", "--queue", "q"], "Cannot use --lines with --nats: --lines is for tasks on this"],
    [["-o", "-", "--format", "text"], "Cannot use -o - with --format text: both write to standard output"],
    [["--format", "xml"], '--format must be text, json or none, got "xml"'],
  ];
  for (const [flags, message] of wrong) {
    const { status, stderr } = await run("each", ...flags, "echo", ":::", "a");
    assertEquals(status, 255);
    assertEquals(stderr.slice(0, `taskrunner: ${message}`.length), `taskrunner: ${message}`);
  }
});
