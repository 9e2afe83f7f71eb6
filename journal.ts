/**
 * Resuming a run: which tasks have a result already.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { excerpt } from "./internal/excerpt.ts";
import { type Source, SourceReader } from "./internal/source.ts";
import { readJsonLines } from "./jsonl.ts";
import { MAX_RESULT_LINE_BYTES, type Outcome, parseResult } from "./result.ts";
import { checkTask, type Task } from "./task.ts";

/**
 * A short hash of a command, as it stands in a result: the CRC-32 of the text, or of the program and its arguments with a
 * NUL after each, as 8 hexadecimal digits.
 */
export function commandHash(cmd: Task["cmd"]): string {
  const text = typeof cmd === "string" ? cmd : cmd.map((argument) => `${argument}\0`).join("");
  return crc32(text).toString(16).padStart(8, "0");
}

/** Options of {@linkcode Journal.read}. */
export interface JournalOptions {
  /**
   * Runs tasks again whose latest outcome is not `ok`, not only those that were canceled.
   *
   * @default {false}
   */
  retryFailed?: boolean | undefined;
}

/** What a {@linkcode Journal} says of a task. */
export interface JournalEntry {
  /** The task has a result that stands, and need not run. */
  isDone: boolean;
  /** That result is for another command. */
  isChanged: boolean;
}

/** An entry is one small number, which takes no memory of its own: the state above this many bits of the hash. */
const HASH_BITS = 28;
const UNKNOWN_HASH = 0;
const STATES = ["canceled", "failed", "ok"] as const;
type State = typeof STATES[number];

/**
 * The results of earlier runs, by the ids of their tasks: what a run that is resumed need not do again. An id of 12
 * characters takes less than 100 bytes.
 *
 * @example Run what has no result yet
 * ```ts
 * import { Journal, run } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const line = `{"id":"a","status":0,"outcome":"ok","attempts":1,"slot":1,"startedAt":"2026-01-02T03:04:05.678Z",` +
 *   `"durationMs":1.5,"stdout":"hi\\n","stderr":""}\n`;
 * const journal = await Journal.read([new TextEncoder().encode(line)]);
 * const tasks = [{ id: "a", cmd: "echo hi" }, { id: "b", cmd: "echo ho" }];
 * const ids: string[] = [];
 * for await (const { id } of run(journal.remaining(tasks))) ids.push(id);
 * assertEquals(ids, ["b"]);
 * ```
 */
export class Journal {
  /** What the latest result says or, once the task was seen, a negative number: its place, and whether it is done. */
  readonly #entries = new Map<string, number>();
  readonly #retryFailed: boolean;

  private constructor({ retryFailed = false }: JournalOptions) {
    this.#retryFailed = retryFailed;
  }

  /**
   * Reads results in JSON Lines. Of several results of a task the last one counts; one that was canceled has none.
   *
   * @throws {InvalidLineError} at a line that is no result.
   */
  static async read(source: Source<Uint8Array>, options: JournalOptions = {}): Promise<Journal> {
    const journal = new Journal(options);
    for await (const { value } of readJsonLines(source, { parse: parseResult, maxLineBytes: MAX_RESULT_LINE_BYTES })) {
      journal.#entries.set(value.id, packed(stateOf(value.outcome), value.cmdHash));
    }
    return journal;
  }

  /** How many tasks have a result. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Looks a task up.
   *
   * @param place where the task is in the input, from 1. For the same task and place the answer stays the same.
   * @param unit what is counted there, for the message.
   * @throws `RangeError` when the task has no id, or that of a task at another place.
   */
  find({ id, cmd }: Task, place: number, unit: "line" | "task" = "task"): JournalEntry {
    if (id === undefined) throw new RangeError('"id" is missing, and only by its id a task is found again');
    const key = String(id);
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry < 0) {
      const firstPlace = -entry >> 1;
      if (firstPlace === place) return { isDone: (-entry & 1) === 1, isChanged: false };
      throw new RangeError(
        `the id ${excerpt(key)} is that of ${unit} ${firstPlace}, too; to resume, ids must be unique`,
      );
    }
    const state = entry === undefined ? "canceled" : STATES[entry >> HASH_BITS]!;
    const isDone = state === "ok" || state === "failed" && !this.#retryFailed;
    this.#entries.set(key, -(place << 1 | Number(isDone)));
    return {
      isDone,
      isChanged: isDone && entry !== packed(state, undefined) && entry !== packed(state, commandHash(cmd)),
    };
  }

  /**
   * Passes on the tasks that have to run. Give it all tasks, in any order; they need ids, each its own.
   *
   * @param onChanged called for a task that is passed over, and whose result is for another command.
   * @throws `RangeError` (from the iterator) when a task has no id, or that of another.
   */
  async *remaining(tasks: Source<Task>, onChanged: (task: Task) => void = () => {}): AsyncGenerator<Task, void> {
    const source = new SourceReader(tasks);
    try {
      let next = await source.next();
      for (let number = 1; !next.done; number++) {
        const task = checkTask(next.value, `task ${number}`);
        const { isDone, isChanged } = this.find(task, number);
        if (isChanged) onChanged(task);
        if (!isDone) yield task;
        next = await source.next();
      }
    } finally {
      await source.cancel();
    }
  }
}

function stateOf(outcome: Outcome): State {
  return outcome === "ok" || outcome === "canceled" ? outcome : "failed";
}

function packed(state: State, hash: string | undefined): number {
  const number = parseInt(hash ?? "", 16); // other tools can have written anything, such as a negative one
  const bits = number >= 0 ? number % (2 ** HASH_BITS - 1) + 1 : UNKNOWN_HASH;
  return STATES.indexOf(state) << HASH_BITS | bits;
}
