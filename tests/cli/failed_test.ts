/** Tests of `taskrunner failed`. */

import { Buffer } from "node:buffer";
import { appendFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import type { Task, TaskResult } from "../../mod.ts";
import {
  jsonLines,
  parseResults,
  resultWith,
  shell,
  startTaskrunner,
  taskFile,
  withTempDirectory,
} from "../support/helpers.ts";
import { hasProgram } from "../support/programs.ts";
import { test } from "../support/test.ts";

const failed = (args: string[], stdin = "") => startTaskrunner(["failed", ...args], { stdin }).ended;
const failure = (id: string, fields: Partial<TaskResult> = {}) =>
  resultWith({ id, outcome: "failed", status: 3, stderr: "", ...fields });

test("failed lists the tasks whose last result is a failure, with the end of their standard error", async () => {
  const lines = jsonLines([
    failure("fixed"),
    failure("b", { stderr: "one\ntwo\n\x1b three\nfour\n", attempts: 2, cmd: "exit 3" }),
    resultWith({ id: "broken" }),
    failure("canceled"),
    resultWith({ id: "fixed" }),
    resultWith({ id: "broken", outcome: "timeout", status: 124, durationMs: 2000 }),
    resultWith({ id: "canceled", outcome: "canceled", status: 143 }),
    failure("b", { stderr: btoa("\xff\n"), stderrEncoding: "base64" }),
  ]);
  const list = await failed(["-"], lines);
  assertEquals(list.stdout, '"broken" timed out after 2.0 s\n"b" failed with status 3\n    \ufffd\n');
  assertEquals([list.status, list.stderr], [0, "taskrunner: 2 failed tasks, 8 results\n"]);
  const [, earlier] = lines.split("\n");
  const full = await failed(["-"], `${earlier}\n`);
  assertEquals(
    full.stdout,
    '"b" failed with status 3 after 2 attempts\n    $ exit 3\n    two\n    \\u001b three\n    four\n',
  );
  assertMatch((await failed(["-", "--tail", "1"], `${earlier}\n`)).stdout, /exit 3\n {4}four\n$/);
  assertMatch((await failed(["-", "--tail", "0"], `${earlier}\n`)).stdout, /exit 3\n$/);
  const none = await failed(["-"], jsonLines([resultWith({})]));
  assertEquals([none.status, none.stdout, none.stderr], [0, "", "taskrunner: 0 failed tasks, 1 result\n"]);
});

test("failed counts skipped tasks, and does not run them by hand without the tasks they depend on", async () => {
  const skipped = (id: string) =>
    resultWith({ id, status: null, outcome: "skipped", attempts: 0, slot: 0, stdout: "", cmd: "echo skipped" });
  const lines = jsonLines([
    skipped("later ok"),
    failure("a", { cmd: "exit 3" }),
    failure("later skipped"),
    ...["b", "later failed", "later skipped"].map(skipped),
    failure("later failed", { cmd: "exit 4" }),
    resultWith({ id: "later ok" }),
  ]);
  const list = await failed(["-"], lines);
  assertEquals(list.stdout.match(/^".*?"/gm), ['"a"', '"later failed"']);
  assertEquals([list.status, list.stderr], [0, "taskrunner: 2 failed tasks, 2 skipped tasks, 8 results\n"]);
  const commands = await failed(["-", "--cmd"], lines);
  assertEquals(commands.stdout.split("\n").length, 3);
  assertEquals(commands.stdout.includes("skipped"), false);
  const reason = "they depend on other tasks; --resume-failed runs both in order";
  assertEquals([commands.status, commands.stderr], [0, `taskrunner: no command of 2 skipped tasks: ${reason}\n`]);
});

test("failed reads files, pipes and runs in progress, and leaves no files", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    await writeFile(path, jsonLines([failure("a"), resultWith({ id: "b" })]));
    await appendFile(path, '{"id":"a","status":0');
    const tmp = join(directory, "tmp");
    await mkdir(tmp);
    const file = await failed([path]);
    assertEquals(file.stdout, '"a" failed with status 3\n');
    assertStringIncludes(file.stderr, "results.jsonl: skipped an incomplete last line of 20 bytes\n");
    const piped = await shell(`head -n 2 ${path} | $RUNTIME cli.ts failed /dev/stdin`, { env: { TMPDIR: tmp } });
    assertEquals(piped.stdout, '"a" failed with status 3\n');
    assertEquals(await readdir(tmp), []);
    const wrong = await failed(["-"], "{}\n");
    assertEquals([wrong.status, wrong.stdout], [255, ""]);
    assertStringIncludes(wrong.stderr, ":1: Cannot read the result");
    assertStringIncludes((await failed([directory])).stderr, "it is a directory");
  });
});

test("failed reads the end of large output from the file of the run, and no other file", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const cmd = "seq 300000 >&2; exit 1";
    await startTaskrunner(["each", "-q", "-o", path, "--max-inline", "5", cmd, ":::", "a"], { stdin: "" }).ended;
    assertMatch((await failed([path, "--tail", "2"])).stdout, /\n {4}299999\n {4}300000\n$/);
    await writeFile(path, jsonLines([failure("a", { stderr: "inline", stderrFile: "/etc/passwd", stderrBytes: 9 })]));
    assertEquals((await failed([path])).stdout, '"a" failed with status 3\n    inline\n');
  });
});

/** Tasks that print their surroundings and fail. */
const SHOW = 'pwd; printf "[%s]" "$V" "$@"; cat; exit 7';
const hostile = ["it's", "a\nb\n", "$HOME `id`", "-n", "", "\\n\\\\", "\t\x1b\x7f", "é", "*", "'\n'"];
const TASKS: Task[] = [
  { id: "array", cmd: ["sh", "-c", SHOW, "sh", ...hostile] },
  { id: "string", cmd: `printf '%s\\n' one\nprintf '%s' 'it''s' # a comment\nexit 3` },
  { id: "simple", cmd: "ls /no/such/file" },
  { id: "exit", cmd: "exit 5" },
  { id: "last line", cmd: "echo hi; false" },
  { id: "directory", cmd: ["sh", "-c", SHOW], cwd: "/usr" },
  { id: "env", cmd: SHOW, env: { V: "it's\n$X", "-W": "1" } },
  { id: "text", cmd: SHOW, stdin: "a'b\\c\n$X\n\n" },
  { id: "bytes", cmd: SHOW, stdin: "/wAK4g==", stdinEncoding: "base64" },
  { id: "file", cmd: ["sh", "-c", SHOW], cwd: "/usr", stdinFile: "/proc/sys/kernel/ostype" },
  { id: "reserved", cmd: ["if", "true"] },
  { id: "builtin", cmd: ["exit", "0"] },
  { id: "reads", cmd: "cat; exit 1" },
];

test("failed --cmd prints a line for each command, which any shell runs as taskrunner does", async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, TASKS);
    const results = join(directory, "results.jsonl");
    await startTaskrunner([tasks, "-q", "-k", "-o", results, "--record-cmd"], { stdin: "" }).ended;
    const recorded = parseResults(await readFile(results, "utf8"));
    assertEquals(recorded.filter(({ outcome }) => outcome === "ok"), []);
    const { stdout, stderr, status } = await failed([results, "--cmd", "--tasks", tasks]);
    assertEquals([status, stderr], [0, ""]);
    const lines = stdout.split("\n").slice(0, -1);
    assertEquals(lines.length, TASKS.length);
    assertEquals(lines[2], "ls /no/such/file </dev/null");
    await writeFile(join(directory, "script"), stdout);
    const shells = ["sh", "dash", "bash", "mksh", "busybox sh"].filter((name) => hasProgram(name.split(" ")[0]!));
    for (const name of shells) {
      const all = await shell(`${name} ${directory}/script 2>/dev/null | od -An -tx1`);
      const bytes = all.stdout.trim().split(/\s+/).map((byte) => parseInt(byte, 16));
      const expected = recorded.flatMap(({ stdout, stdoutEncoding }) => [
        ...(stdoutEncoding ? Buffer.from(stdout, "base64") : Buffer.from(stdout)),
      ]);
      assertEquals(Buffer.from(bytes).toString("latin1"), Buffer.from(expected).toString("latin1"), name);
    }
    // The recorded commands suffice for tasks without further fields.
    const alone = (await failed([results, "--cmd"])).stdout.split("\n");
    for (const index of [0, 1, 2, 3, 4, 10, 11, 12]) assertEquals(alone[index], lines[index]);
  });
});

test("failed --cmd reports commands that are missing or have changed", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    await writeFile(
      path,
      jsonLines([failure("1", { cmdHash: "00000000" }), failure("b"), failure("c", { cmd: ["x"] })]),
    );
    const recorded = await failed([path, "--cmd"]);
    assertEquals([recorded.status, recorded.stdout], [255, "x </dev/null\n"]);
    assertEquals(
      recorded.stderr,
      "taskrunner: no command of 2 failed tasks: record commands with --record-cmd, or name the task file with --tasks FILE\n",
    );
    const tasks = await taskFile(directory, [{ cmd: ["one"] }, { id: "other", cmd: "two" }]);
    const fromFile = await failed([path, "--cmd", "--tasks", tasks]);
    assertEquals([fromFile.status, fromFile.stdout], [255, "one </dev/null\nx </dev/null\n"]);
    assertEquals(
      fromFile.stderr,
      `taskrunner: no command of 1 failed task: ${tasks} has no such tasks\n` +
        "taskrunner: 1 task has another command than in its result\n",
    );
    await writeFile(tasks, "{}\n");
    const wrong = await failed([path, "--cmd", "--tasks", tasks]);
    assertEquals([wrong.status, wrong.stdout], [255, ""]);
    assertStringIncludes(wrong.stderr, `${tasks}:1: Cannot read the task`);
    const missing = await failed([path, "--tasks", join(directory, "none")]);
    assertStringIncludes(missing.stderr, "Cannot read tasks from");
  });
});
