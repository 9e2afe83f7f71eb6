import { mayLoseDigits, parseExactly, rawNumber } from "../jsonl/exact_numbers.ts";
import { excerpt } from "../text/excerpt.ts";
import type { Source } from "../jsonl/source.ts";
import { jsonLineReader, type ReadJsonLinesOptions } from "../jsonl/jsonl_reader.ts";
import { parseTaskLine, type Task } from "./task.ts";

/** Options of {@linkcode readTasks}. */
export type ReadTasksOptions = Omit<ReadJsonLinesOptions, "parse">;

/**
 * Reads tasks from JSON Lines: a task a line, checked, and with the number of its line as its `id` when it has none.
 *
 * A number in `meta` with more digits than a JavaScript number can have becomes a `JSON.rawJSON` object, which
 * `JSON.stringify` writes as it was; as an `id` it makes the line invalid.
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
  const lines = jsonLineReader(source, { ...options, refine: withAllDigits, parse: taskOfLine });
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
 * Puts right what `JSON.parse` has lost of a task: numbers in `meta` keep all of their digits.
 *
 * @throws `RangeError` when the `id` is a number that loses digits: it would be that of another task.
 */
export function withAllDigits(value: unknown, json: string): unknown {
  if (!mayLoseDigits(json) || typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const exact = parseExactly(json) as Record<string, unknown>;
  const number = rawNumber(exact.id);
  if (number !== undefined) {
    const remedy = `"id" must be a string, such as "id":${excerpt(number)}`;
    throw new RangeError(`Cannot read the task: ${remedy}, because the number would lose digits`);
  }
  return Object.hasOwn(value, "meta") ? { ...value, meta: exact.meta } : value;
}

/** The task that a line holds, with the number of the line for its `id` when it has none. */
export function taskOfLine(value: unknown, lineNumber: number): Task {
  const task = parseTaskLine(value);
  return task.id === undefined ? { ...task, id: String(lineNumber) } : task;
}
