/** Tests runs with large outputs, which stay bytes from the file of the task to the results file. */

import { Buffer } from "node:buffer";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { run, type TaskResult } from "../../mod.ts";
import { printableJson } from "../../text/excerpt.ts";
import { collect, parseResults, startTaskrunner, taskFile, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const KIB = 1024;
/** The outputs of the tasks: longer and shorter than 16 KiB, from which on outputs stay bytes. */
const OUTPUTS: Readonly<Record<string, Buffer>> = {
  lines: Buffer.from(Array.from({ length: 60_000 }, (_, line) => `line ${line}\n`).join("")),
  letters: Buffer.alloc(KIB ** 2, "x"),
  escapes: Buffer.alloc(300_000, '\ufeff"\\\b\t\n\f\r\0\x1b[1m\x7f\u0080\u061c\u200e\u2028\u2066“é漢😀'),
  partial: Buffer.from(`${"é".repeat(60_000)}é`).subarray(0, -1),
  surrogates: Buffer.alloc(99_999, Buffer.from("78eda080edb0800a", "hex")),
  binary: Buffer.from(Array.from({ length: 200_000 }, (_, index) => index * index % 251)),
  short: Buffer.from("short\u2028\n"),
  almost: Buffer.alloc(16 * KIB - 1, "y\n"),
  exact: Buffer.alloc(16 * KIB, "z\n"),
  first: Buffer.alloc(64 * KIB - 1, '"'),
  empty: Buffer.alloc(0),
};
const NAMES = Object.keys(OUTPUTS);
/** Each output on both streams, several times, so that buffers are used again. */
const TASKS = Array.from({ length: 30 }, (_, index) => {
  const [stdout, stderr] = [NAMES[index % NAMES.length]!, NAMES[index * 7 % NAMES.length]!];
  return { id: `${index}`, stdout, stderr, cmd: `cat ${stdout}; cat ${stderr} >&2; exit ${index % 3}` };
});
const JOBS = ["-j", "4", "--keep-order", "--quiet"];

/** Calls a function with a directory that has the outputs, and a task file. */
async function withOutputs(check: (directory: string, tasks: string) => Promise<void>): Promise<void> {
  await withTempDirectory(async (directory) => {
    for (const name of NAMES) await writeFile(join(directory, name), OUTPUTS[name]!);
    const records = TASKS.map(({ id, cmd }) => ({ id, cmd, cwd: directory }));
    await check(directory, await taskFile(directory, records));
  });
}

/** Runs the command, and returns what it writes to standard output. */
async function stdoutOf(...args: string[]): Promise<string> {
  const { stdout, stderr, status } = await startTaskrunner([...args, ...JOBS], { stdin: "" }).ended;
  assertEquals([stderr, status], ["", 20]); // the number of failed tasks
  return stdout;
}

/** Fails unless each line is the JSON of a result, as `JSON.stringify` writes it, with the outputs of its task. */
function checkLines(text: string): TaskResult[] {
  const results = parseResults(text);
  assertEquals(results.map(({ id }) => id), TASKS.map(({ id }) => id));
  assert(results.map((result) => `${printableJson(result)}\n`).join("") === text);
  for (const [index, result] of results.entries()) {
    for (const stream of ["stdout", "stderr"] as const) {
      const bytes = Buffer.from(result[stream], result[`${stream}Encoding`]);
      assert(bytes.equals(OUTPUTS[TASKS[index]![stream]]!), `${stream} of ${TASKS[index]!.cmd}`);
    }
  }
  return results;
}

for (const executor of ["shell", "process"] as const) {
  test(`large outputs are in the results file and on standard output as run() gives them, with ${executor}`, async () => {
    await withOutputs(async (directory, tasks) => {
      const file = join(directory, "results.jsonl");
      await stdoutOf(tasks, "-o", file, "--executor", executor);
      const results = checkLines(await readFile(file, "utf8"));
      checkLines(await stdoutOf(tasks, "--executor", executor));
      const records = TASKS.map(({ id, cmd }) => ({ id, cmd, cwd: directory }));
      const expected = await collect(run(records, { concurrency: 4, keepOrder: true, executor }));
      for (const [index, result] of results.entries()) {
        const { startedAt, durationMs, userMs, systemMs, slot } = result;
        const times = { startedAt, durationMs, userMs, systemMs, slot };
        assert(printableJson({ ...expected[index], ...times }) === printableJson(result), `result ${result.id}`);
      }
      const { stderr, status } = await startTaskrunner([tasks, "-o", file, "--resume"], { stdin: "" }).ended;
      assertEquals([status, /^taskrunner: 0 tasks/.test(stderr)], [0, true], stderr);
    });
  });
}

test("large outputs are written as text, with and without tags, beside a results file", async () => {
  await withOutputs(async (directory, tasks) => {
    for (const flags of [[], ["--tag"]]) {
      const file = join(directory, `results${flags.length}.jsonl`);
      const { stdout } = await startTaskrunner(
        [tasks, "--format", "text", "-o", file, ...JOBS, ...flags],
        { stdin: "" },
      ).ended;
      checkLines(await readFile(file, "utf8"));
      const expected = TASKS.map(({ id, stdout }) => {
        const text = OUTPUTS[stdout]!.toString("latin1");
        if (flags.length === 0 || text === "") return text;
        const tagged = text.replace(/\n(?=[^])|\r(?=[^\n])/g, (end) => `${end}${id}\t`);
        return `${id}\t${tagged}${text.endsWith("\n") ? "" : "\n"}`;
      }).join("");
      assert(stdout === Buffer.from(expected, "latin1").toString(), flags.join());
    }
  });
});

test("a large output of a failed attempt is in the notice and in the earlier attempts", async () => {
  await withOutputs(async (directory) => {
    const cmd = "cat lines lines >&2; cat letters; test -e again || { : >again; exit 1; }; exit 2";
    const tasks = await taskFile(directory, [{ id: "a", cmd, cwd: directory }]);
    const file = join(directory, "results.jsonl");
    const { stderr } = await startTaskrunner([tasks, "-o", file, "--retries", "1"], { stdin: "" }).ended;
    assert(stderr.startsWith('taskrunner: "a" failed with status 2 after 2 attempts: line 59999\n'), stderr);
    const [result] = parseResults(await readFile(file, "utf8"));
    const lines = OUTPUTS.lines!.toString();
    assertEquals(result!.earlierAttempts![0]!.stderrEnd, lines.slice(-2048));
    assert(result!.stderr === (lines + lines).slice(0, KIB ** 2) && result!.stdout === "x".repeat(KIB ** 2));
    assertEquals(await readFile(result!.stderrFile!, "utf8"), lines + lines);
  });
});
