import { mayLoseDigits, parseExactly, rawNumber } from "../jsonl/exact_numbers.ts";
import { excerpt } from "../text/excerpt.ts";
import type { Source } from "../jsonl/source.ts";
import { jsonLineReader, type ReadJsonLinesOptions } from "../jsonl/jsonl_reader.ts";
import { InvalidTaskError } from "./invalid_task_error.ts";
import { type CheckedTask, checkTaskLine, markChecked, type Task } from "./task.ts";

/** Options of {@linkcode readTasks}. */
export type ReadTasksOptions = Omit<ReadJsonLinesOptions, "parse">;

/**
 * Reads tasks from JSON Lines: one on each line, checked, with the number of the line as the default `id`.
 *
 * A number in `meta` with more digits than a JavaScript number holds becomes a `JSON.rawJSON` object, which
 * `JSON.stringify` writes unchanged; as an `id` it makes the line invalid.
 *
 * @param source bytes, such as a file's `readable`, `process.stdin` in Node and Bun, or `Deno.stdin.readable` in Deno.
 * @throws {InvalidLineError} (from the iterator) at the first line that is not a task, unless `onInvalid` is given. When
 * the line is JSON, the `cause` is an {@linkcode InvalidTaskError} that names the field.
 *
 * @example Run the tasks of a stream, and skip invalid lines
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
  return tasksOf(source, options, taskOfLine);
}

/** {@linkcode readTasks} for a run that takes each task before it asks for the next one, and checks no task again. */
export function readUnsharedTasks(
  source: Source<Uint8Array>,
  options: ReadTasksOptions = {},
): AsyncIterableIterator<Task> {
  return tasksOf(source, options, (value, lineNumber) => markChecked(taskOfLine(value, lineNumber)));
}

function tasksOf(
  source: Source<Uint8Array>,
  options: ReadTasksOptions,
  parse: (value: unknown, lineNumber: number) => CheckedTask,
): AsyncIterableIterator<Task> {
  const lines = jsonLineReader(source, { ...options, refine: withAllDigits, parse });
  return {
    async next() {
      const { done, value } = await lines.next();
      return done ? { done, value: undefined } : { done: false, value: value.value };
    },
    async return() {
      await lines.return();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/**
 * Restores the digits that `JSON.parse` has lost: numbers in `meta` keep all of them.
 *
 * @throws {InvalidTaskError} when the `id` is a number that loses digits, and so could be the `id` of another task.
 */
export function withAllDigits(value: unknown, json: string, lineNumber?: number): unknown {
  if (!mayLoseDigits(json) || typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const exact = parseExactly(json) as Record<string, unknown>;
  const number = rawNumber(exact.id);
  if (number !== undefined) {
    const remedy = `"id" must be a string, such as "id":${excerpt(number)}`;
    throw new InvalidTaskError(`${remedy}, because the number would lose digits`, { field: "id", lineNumber });
  }
  return Object.hasOwn(value, "meta") ? { ...value, meta: exact.meta } : value;
}

/** Returns the task that a line holds, with the number of the line as the default `id`. */
export function taskOfLine(value: unknown, lineNumber: number): CheckedTask {
  return withDefaultId(checkTaskLine(value, { lineNumber }), lineNumber);
}

/** Returns a task with the number of its line as the default `id`. */
export function withDefaultId(task: CheckedTask, lineNumber: number): CheckedTask {
  return task.id === undefined ? { ...task, id: String(lineNumber) } : task;
}
