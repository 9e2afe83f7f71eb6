/** The check of a task file with prerequisites, resources or slots, before anything runs. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { checkTasks } from "../../cli/check_tasks.ts";
import type { Io } from "../../cli/io.ts";
import { TaskFile } from "../../cli/task_file.ts";
import type { Capacity } from "../../cli/workflow/workflow_check.ts";
import type { Task } from "../../records/task.ts";
import { pluralize } from "../../text/format.ts";
import { jsonLines, taskFile, taskrunner, withTempDirectory } from "../support/helpers.ts";
import { fakeIo } from "../support/fake_io.ts";
import { test } from "../support/test.ts";

// cspell:ignore compiel

const CAPACITY: Capacity = { concurrency: 4, resources: { gpu: 2, mem_gb: 64 } };

/** Returns streams that keep messages without their beginning. */
function recordingIo(fields: Partial<Io> = {}): Io & { readonly messages: string[] } {
  const messages: string[] = [];
  const stderr = (line: string) => Promise.resolve(void messages.push(line.replace("taskrunner: ", "")));
  return { ...fakeIo({ ...fields, stderr }), messages };
}

/** Checks a file as `--dry-run` does. Returns the exit status and the messages without the directory. */
async function check(text: string, capacity = CAPACITY): Promise<[status: number, ...messages: string[]]> {
  return await withTempDirectory(async (directory) => {
    const path = join(directory, "t");
    await writeFile(path, text);
    const io = recordingIo();
    const status = await checkTasks(await TaskFile.open(path, io), () => Promise.resolve(capacity), undefined, io);
    return [status, ...io.messages.map((message) => message.replace(path, "t"))];
  });
}

/** Returns the problems of tasks, without the last line, which counts them. */
async function problemsOf(tasks: readonly object[], capacity = CAPACITY): Promise<string[]> {
  const [, ...messages] = await check(jsonLines(tasks.map((task) => ({ cmd: "true", ...task }))), capacity);
  return messages.slice(0, -1);
}

const valid = (tasks: number, invalid = 0) =>
  `${pluralize(tasks, "valid task")}, ${pluralize(invalid, "invalid line")}; nothing was run`;

test("a check accepts prerequisites before and after their dependents, as text, numbers and arrays", async () => {
  const tasks = [
    { id: "all", cmd: "true", after: ["a", 2, "3"], runIf: "done" },
    { id: "a", cmd: "true" },
    { id: 2, cmd: "true", after: "a" },
    { id: 3, cmd: "true", after: [], priority: -1 },
    { id: "ä\ud83d\ude00", cmd: "true", after: 2, uses: { gpu: 2, mem_gb: 0 }, slots: 4 },
    { id: "\ud800", cmd: "true", after: "ä\ud83d\ude00", uses: {} },
    { id: "last", cmd: "true", after: "\ud800" },
    { cmd: "true" },
  ];
  assertEquals(await check(jsonLines(tasks)), [0, valid(8)]);
});

test("a check reports an unknown id, and the nearest id", async () => {
  assertEquals(
    await problemsOf([
      { id: "compile" },
      { id: "link", after: ["compile", "compiel", "far away"] },
      { id: "test", after: "far away" },
      { id: "1", after: 2 },
    ]),
    [
      't:2: "link" can never start: no task has the id "compiel", did you mean "compile"?',
      't:3: "test" can never start: no task has the id "far away"',
      't:4: "1" can never start: no task has the id "2"',
    ],
  );
});

test("a check does not propose the task itself, and escapes ids", async () => {
  assertEquals(await problemsOf([{ id: "abc", after: "abd" }, { id: "x\n\u001b[1m", after: "\u0000" }]), [
    't:1: "abc" can never start: no task has the id "abd"',
    't:2: "x\\n\\u001b[1m" can never start: no task has the id "\\u0000"',
  ]);
});

test("the number of a line is no prerequisite", async () => {
  assertEquals(await problemsOf([{}, { id: "b", after: 1 }, { id: "c", after: "0" }, { id: "4", after: "3" }]), [
    't:2: "b" can never start: line 1 has no "id", which "after" needs; give the task an "id"',
    't:3: "c" can never start: no task has the id "0"',
    't:4: "4" can never start: no task has the id "3"',
  ]);
});

test("a check reports cycles of one, two and three tasks with their paths", async () => {
  assertEquals(
    await problemsOf([
      { id: "a", after: "c" },
      { id: "b", after: "a" },
      { id: "c", after: "b" },
      { id: "self", after: ["ok", "self"] },
      { id: "ok" },
      { id: 7, after: "8" },
      { id: "8", after: 7 },
      { id: "behind", after: "a" },
    ]),
    [
      't:1: "a" can never start: "a" after "c" (line 3) after "b" (line 2) after "a"',
      't:4: "self" can never start: "self" after "self"',
      't:6: "7" can never start: "7" after "8" (line 7) after "7"',
    ],
  );
});

test("a check shortens the path of a cycle of 1,000 tasks, and counts all of them as invalid", async () => {
  const tasks = Array.from(
    { length: 1_000 },
    (_, index) => ({ id: `${index}`, cmd: "true", after: (index + 1) % 1_000 }),
  );
  assertEquals(await check(jsonLines([...tasks, { cmd: "true" }])), [
    255,
    't:1: "0" can never start: "0" after "1" (line 2) after "2" (line 3) after "3" (line 4) after "4" (line 5) after "5" ' +
    '(line 6) after 989 other tasks after "995" (line 996) after "996" (line 997) after "997" (line 998) after "998" ' +
    '(line 999) after "999" (line 1000) after "0"',
    valid(1, 1_000),
  ]);
});

test("a check reports two tasks with an id only in a file with prerequisites", async () => {
  const tasks = [{ id: "a" }, { id: "1" }, { id: "a" }, { id: 1 }, { id: "a" }];
  assertEquals(await problemsOf(tasks), []);
  assertEquals(await problemsOf([...tasks, { id: "c", priority: 1 }]), []);
  assertEquals(await problemsOf([...tasks, { id: "c", after: [] }]), [
    't:3: "a" is also the id of line 1',
    't:4: "1" is also the id of line 2',
    't:5: "a" is also the id of line 1',
  ]);
});

test("a check reports tasks that need more than the run has", async () => {
  assertEquals(
    await problemsOf([
      { uses: { gpu: 2 }, slots: 4 },
      { id: "a", uses: { gpu: 3 } },
      { id: "b", uses: { mem_gb: 1, gpus: 0 } },
      { uses: { license: 1 } },
      { id: 5, slots: 5 },
      { id: "proto", uses: { toString: 1 } },
    ]),
    [
      't:2: "a" can never start: the task uses 3 of the resource "gpu", but the run has 2; raise --resource gpu=N',
      't:3: "b" can never start: the run has no resource "gpus", did you mean "gpu"?',
      't:4: the task can never start: the run has no resource "license"; give --resource license=N',
      't:5: "5" can never start: the task needs 5 slots, but the run has 4; raise --jobs',
      't:6: "proto" can never start: the run has no resource "toString"; give --resource toString=N',
    ],
  );
});

test("a check finds no problem of a task whose line is invalid, but of the tasks after it", async () => {
  const text = '{"id":"a","cmd":1}\n{"id":"b","cmd":"true","after":"a"}\nnonsense\n{"id":"c","cmd":"true"}\n';
  const [status, ...messages] = await check(text);
  assert(messages[1]!.startsWith("t:3: Cannot read the line"), messages[1]);
  assertEquals([status, messages[0]], [
    255,
    't:1: Cannot read the task: "cmd" must be a shell command or an array of a \
program and its arguments, got 1',
  ]);
  assertEquals(messages.slice(2), ['t:2: "b" can never start: no task has the id "a"', valid(1, 3)]);
});

test("a check describes 20 problems, those of the first lines, and counts the others", async () => {
  const tasks = Array.from({ length: 5_000 }, (_, index) => ({ id: index, after: `no ${5_000 - index}` }));
  const problems = await problemsOf(tasks);
  assertEquals(problems.length, 21);
  assertEquals(
    problems.slice(0, 20).map((problem) => problem.split(":")[1]),
    Array.from({ length: 20 }, (_, n) => `${n + 1}`),
  );
  assertEquals(problems[20], "and 4,980 other problems");
});

test("a check accepts CRLF, blank lines and a byte order mark, and counts their lines", async () => {
  const lines = [
    '\ufeff{"id":"a","cmd":"true"}',
    "",
    '{"id":"b","cmd":"true","after":"a"}',
    "  ",
    '{"id":"c","cmd":"true","after":"x"}',
  ];
  for (const end of ["\n", "\r\n"]) {
    assertEquals(await check(lines.join(end)), [255, 't:5: "c" can never start: no task has the id "x"', valid(2, 1)]);
  }
});

test("a check finds the same in lines that the scanner leaves to the parser", async () => {
  const text = [
    '{"id":"\\u0061","cmd":"true","meta":12345678901234567890}',
    '{"id":-1,"cmd":"true","after":["a",1.5e0]}',
    '{"after":-1,"cmd":"tr\\u0075e","id":1.5}',
    "",
  ].join("\n");
  assertEquals(await check(text), [
    255,
    't:2: "-1" can never start: "-1" after "1.5" (line 3) after "-1"',
    valid(1, 2),
  ]);
});

test("a task with 50,000 prerequisites is one line with one problem", async () => {
  const leaves = Array.from({ length: 50_000 }, (_, index) => ({ id: `leaf ${index}`, cmd: "true" }));
  const join = { id: "join", cmd: "true", after: leaves.map(({ id }) => id) };
  assertEquals(await check(jsonLines([join, ...leaves])), [0, valid(50_001)]);
  const [status, ...messages] = await check(jsonLines([join, ...leaves.slice(2)]));
  assertEquals([status, messages.length, messages.at(-1)], [255, 2, valid(49_998, 1)]);
  assert(messages[0]!.startsWith('t:1: "join" can never start: no task has the id "leaf 0"'), messages[0]);
});

test("a workflow can begin at any line", async () => {
  for (const place of [0, 1, 50_000, 99_999]) {
    const tasks: Task[] = Array.from({ length: 100_000 }, (_, index) => ({ id: `task ${index}`, cmd: "true" }));
    tasks[place] = { id: "late", cmd: "true", after: ["task 70", `task ${place - 1}`, "task 99998"] };
    const [status, ...messages] = await check(jsonLines(tasks));
    const problem = `t:${place + 1}: "late" can never start: no task has the id "task ${place - 1}"`;
    assertEquals([status, messages], place === 0 ? [255, [problem, valid(99_999, 1)]] : [0, [valid(100_000)]]);
  }
});

test("a stream is checked as a file is", async () => {
  const text = jsonLines([{ cmd: "true" }, { id: "a", cmd: "true" }, { id: "b", cmd: "true", after: ["a", "c"] }]);
  const io = recordingIo({ stdin: () => [new TextEncoder().encode(text)] });
  const status = await checkTasks(await TaskFile.open("-", io), () => Promise.resolve(CAPACITY), undefined, io);
  const problem = 'standard input:3: "b" can never start: no task has the id "c"';
  assertEquals([status, io.messages], [255, [problem, valid(2, 1)]]);
});

test("run reports the first problem of a file, and runs nothing", async () => {
  await withTempDirectory(async (directory) => {
    const path = await taskFile(directory, [
      { id: "a", cmd: "true" },
      { id: "b", cmd: "true", after: "x" },
      { id: "c", cmd: "true", after: "c" },
    ]);
    const { status, stdout, stderr } = await taskrunner(["run", path]);
    const problem = `taskrunner: ${path}:2: "b" can never start: no task has the id "x"`;
    assertEquals([status, stdout, stderr], [255, "", `${problem}; --dry-run lists 1 other problem\n`]);
    const { status: dryStatus, stderr: list } = await taskrunner(["run", "--dry-run", path]);
    assertEquals([dryStatus, list.trimEnd().split("\n").slice(1)], [255, [
      `taskrunner: ${path}:3: "c" can never start: "c" after "c"`,
      `taskrunner: ${valid(1, 2)}`,
    ]]);
  });
});

test("count() and tasks() leave out the tasks that can never start when invalid lines are skipped", async () => {
  await withTempDirectory(async (directory) => {
    const path = await taskFile(directory, [
      { id: "a", cmd: "true" },
      { id: "b", cmd: "true", after: "x" },
      { id: "c", cmd: "true", after: "b" },
      { id: "a", cmd: "true" },
      { cmd: "true", slots: 5 },
      { cmd: 1 },
    ]);
    const io = recordingIo();
    const input = await TaskFile.open(path, io);
    const options = { onInvalid: "skip", recorded: undefined, capacity: () => Promise.resolve(CAPACITY) } as const;
    const report = () => Promise.resolve();
    await assertRejects(
      () => input.count({ ...options, onInvalid: "abort", report }),
      Error,
      ":6: Cannot read the task",
    );
    assertEquals(await input.count({ ...options, report }), 2);
    assertEquals([input.invalid, input.isWorkflow, input.isReadFirst], [4, true, true]);
    const ids: unknown[] = [];
    for await (const { id } of input.tasks({ ...options, report: io.stderr })) ids.push(id);
    assertEquals([ids, input.invalid, io.messages.length], [["a", "c"], 4, 4]);
    input.held!.close();
  });
});

test("a file without fields of workflows is read once, and needs no file to stay open", async () => {
  await withTempDirectory(async (directory) => {
    const io = recordingIo();
    const input = await TaskFile.open(await taskFile(directory, [{ cmd: "true" }]), io);
    const options = {
      onInvalid: "abort",
      recorded: undefined,
      report: io.stderr,
      capacity: () => Promise.resolve(CAPACITY),
    } as const;
    assertEquals([await input.count(options), input.isWorkflow, input.isReadFirst, input.held], [
      1,
      false,
      false,
      undefined,
    ]);
  });
});
