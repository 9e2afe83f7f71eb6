import { readJsonLines, type ReadJsonLinesOptions } from "./jsonl.ts";
import type { Source } from "./internal/source.ts";
import { parseTask, type Task } from "./task.ts";

/** Options of {@linkcode readTasks}. */
export type ReadTasksOptions = Omit<ReadJsonLinesOptions, "parse">;

/**
 * Reads tasks from JSON Lines: a task a line, checked, and with the number of its line as its `id` when it has none.
 *
 * @param source bytes, such as a file's `readable`, `process.stdin` in Node and Bun, or `Deno.stdin.readable` in Deno.
 * @throws {InvalidLineError} (from the iterator) at the first line that is not a task, unless `onInvalid` is given.
 *
 * @example Run the tasks of a stream, and pass over lines that are wrong
 * ```ts
 * import { readTasks, run } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const stream = new Blob(['{"cmd":"echo hi"}\n', '{"command":"echo ho"}\n']).stream();
 * const problems: string[] = [];
 * for await (const result of run(readTasks(stream, { onInvalid: (error) => problems.push(error.message) }))) {
 *   assertEquals([result.id, result.stdout], ["1", "hi\n"]);
 * }
 * assertEquals(problems, ['Line 2: Cannot read the task: unknown field "command", did you mean "cmd"?']);
 * ```
 */
export function readTasks(source: Source<Uint8Array>, options: ReadTasksOptions = {}): AsyncIterableIterator<Task> {
  const lines = readJsonLines(source, { ...options, parse: taskOfLine });
  return {
    async next() {
      const { done, value } = await lines.next();
      return done ? { done, value: undefined } : { done: false, value: value.value };
    },
    async return() {
      await lines.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** The task that a line holds, with the number of the line for its `id` when it has none. */
export function taskOfLine(value: unknown, lineNumber: number): Task {
  const task = parseTask(value);
  return task.id === undefined ? { ...task, id: String(lineNumber) } : task;
}
