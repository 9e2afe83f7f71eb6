/** Tasks that wait in their file instead of in memory. */

import { appendFile, rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import { withInputCopy } from "../../cli/input_copy.ts";
import { TaskFile } from "../../cli/task_file.ts";
import type { FileTasks } from "../../cli/workflow/file_tasks.ts";
import type { CheckedTask } from "../../records/task.ts";
import { fakeIo } from "../support/fake_io.ts";
import { byteStream, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const OPTIONS = {
  onInvalid: "abort",
  recorded: undefined,
  report: () => Promise.resolve(),
  capacity: () => Promise.resolve({ concurrency: 4, resources: {} }),
} as const;

/** Holds all tasks of a checked input, as the scheduler does. */
async function holdAll(input: TaskFile): Promise<{ tasks: CheckedTask[]; held: FileTasks }> {
  const tasks: CheckedTask[] = [];
  const held = input.held!;
  for await (const task of input.tasks(OPTIONS)) {
    held.hold(nodeOf(tasks.length));
    tasks.push(task as CheckedTask);
  }
  return { tasks, held };
}

/** The scheduler numbers tasks in another order than that of the input. */
function nodeOf(index: number): number {
  return index ^ 5;
}

/** Opens a task file with a text and checks the file. */
async function openFile(path: string, text: string): Promise<TaskFile> {
  await writeFile(path, text);
  const input = await TaskFile.open(path, fakeIo({}));
  await input.count(OPTIONS);
  return input;
}

const LINES = [
  '\ufeff{"cmd":"first"}',
  '{"id":"b","cmd":"echo ä\u2028","after":[],"meta":{"n":12345678901234567890,"list":[1.0,1e400]}}',
  "",
  `{"id":"long","cmd":"${"x".repeat(700_000)}","after":"b"}`,
  '  {"cmd":["a","b"], "slots" : 2}\t',
  '{"id":"\\ud800","cmd":"z","env":{"__proto__":"y"}}',
  '{"cmd":"last"}',
];

test("FileTasks returns exactly the tasks that the file has yielded, in any order", async () => {
  await withTempDirectory(async (directory) => {
    for (const text of [LINES.join("\n"), `${LINES.join("\r\n")}\r\n`]) {
      const input = await openFile(join(directory, "tasks.jsonl"), text);
      const { tasks, held } = await holdAll(input);
      assertEquals(tasks.map(({ id }) => id), ["1", "b", "long", "5", "\ud800", "7"]);
      for (const index of [5, 0, 3, 1, 4, 2]) {
        const task = held.take(nodeOf(index));
        assertEquals(JSON.stringify(task), JSON.stringify(tasks[index]));
        assertEquals(Object.keys(task), Object.keys(tasks[index]!));
      }
      assert(held.heldBytes > 0);
      held.close();
      held.close();
    }
  });
});

test("FileTasks returns tasks of lines at the edges of the chunks of a file", async () => {
  await withTempDirectory(async (directory) => {
    const lines = Array.from(
      { length: 20_000 },
      (_, index) => JSON.stringify({ id: index, cmd: "y".repeat(index % 97 + 1), after: [] }),
    );
    const { tasks, held } = await holdAll(await openFile(join(directory, "tasks.jsonl"), lines.join("\n")));
    for (const [index, task] of tasks.entries()) {
      assertEquals(JSON.stringify(held.take(nodeOf(index))), JSON.stringify(task));
    }
    assertEquals(tasks.length, 20_000);
    held.close();
  });
});

test("FileTasks reads tasks from the copy of an input that can be read only once", async () => {
  const io = withInputCopy(fakeIo({ stdin: () => byteStream(LINES.join("\n"), 1_000) }));
  const input = await TaskFile.open("-", io);
  assertEquals(await input.count(OPTIONS), 6);
  const { tasks, held } = await holdAll(input);
  for (const [index, task] of tasks.entries()) {
    assertEquals(JSON.stringify(held.take(nodeOf(index))), JSON.stringify(task));
  }
  held.close();
});

test("an input that can be read only once keeps no tasks", async () => {
  const input = await TaskFile.open("-", fakeIo({ stdin: () => byteStream(LINES.join("\n")) }));
  assertEquals([await input.count(OPTIONS), input.isWorkflow, input.held], [6, true, undefined]);
});

test("a file that is replaced after its check is read as it was", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "tasks.jsonl");
    const input = await openFile(path, LINES.join("\n"));
    await writeFile(`${path}.new`, '{"cmd":"other"}');
    await rename(`${path}.new`, path);
    const { tasks, held } = await holdAll(input);
    assertEquals(tasks.length, 6);
    assertEquals(held.take(nodeOf(1)).id, "b");
    held.close();
  });
});

test("a file that is changed between its check and the run ends the run", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "tasks.jsonl");
    const input = await openFile(path, LINES.join("\n"));
    await appendFile(path, "\n");
    const message = `Cannot read tasks from ${
      JSON.stringify(path)
    }: the file has changed since the run checked the file; \
to change a file of tasks during a run, write a new file and rename it`.slice(0, 40);
    await assertRejects(() => holdAll(input), Error, message);
    input.held!.close();
  });
});

test("FileTasks reports a line that was changed or cut off", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "tasks.jsonl");
    const text = '{"id":"a","cmd":"true","after":[]}\n{"id":"b","cmd":"true"}';
    const changes: [name: string, change: () => Promise<void>, index: number][] = [
      ["another command", () => writeFile(path, text.replace("true", "rm -")), 0],
      ["another length", () => writeFile(path, text.replace("true", "falsy")), 0],
      ["a longer last line", () => appendFile(path, " "), 1],
      ["a shorter file", () => truncate(path, text.length - 1), 1],
      ["an empty file", () => truncate(path), 1],
    ];
    for (const [, change, index] of changes) {
      const { held } = await holdAll(await openFile(path, text));
      await change();
      assertThrows(() => held.take(nodeOf(index)), Error, `: line ${index + 1} has changed since`);
      held.close();
    }
    const { held } = await holdAll(await openFile(path, text));
    held.close();
    assertThrows(() => held.take(nodeOf(0)), Error, "Cannot read tasks from");
  });
});
