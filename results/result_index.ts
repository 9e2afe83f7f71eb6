import { jsonLineReader } from "../jsonl/jsonl_reader.ts";
import { MAX_RESULT_LINE_BYTES, type Outcome, OUTCOMES, parseResult } from "../records/result.ts";
import type { Task } from "../records/task.ts";
import { commandCrc } from "../records/command_hash.ts";
import { crc32OfPart } from "./crc32.ts";
import { excerpt } from "../text/excerpt.ts";
import { bytesOfId, enlarged, IdTable } from "./id_table.ts";
import { JsonScanner } from "../jsonl/json_scanner.ts";
import { ResultScanner, type Span } from "./result_scanner.ts";
import type { Source } from "../jsonl/source.ts";
import type { TaskScanner } from "./task_scanner.ts";

/** What is known of a task. */
export interface IndexEntry {
  /** The task has a result that stands, and need not run. */
  readonly isDone: boolean;
  /** That result is for another command. */
  readonly isChanged: boolean;
}

const TO_DO: IndexEntry = { isDone: false, isChanged: false };
const DONE: IndexEntry = { isDone: true, isChanged: false };
const CHANGED: IndexEntry = { isDone: true, isChanged: true };

/** Bits of a state. A task without a result has none of them. */
const [IS_OK, IS_FAILED, HAS_HASH, IS_SEEN, IS_DONE] = [1, 2, 4, 8, 16] as const;
const STATE_BY_OUTCOME = OUTCOMES.map(stateOf);
const MAX_PLACE = 2 ** 32 - 1;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The latest results of tasks, by their ids, and which of the tasks have been seen since. */
export class ResultIndex {
  readonly #ids: IdTable = new IdTable();
  /** By the numbers of ids: the hash of the command or, once the task was seen, its place. */
  #words = new Uint32Array(64);
  #states = new Uint8Array(64);
  readonly #retryFailed: boolean;
  #results = 0;

  /** @param retryFailed runs tasks again whose latest outcome is not `ok`, not only those that were canceled. */
  constructor(retryFailed: boolean) {
    this.#retryFailed = retryFailed;
  }

  /** How many tasks have a result. */
  get size(): number {
    return this.#results;
  }

  /** How many bytes it takes. */
  get heldBytes(): number {
    return this.#ids.heldBytes + this.#words.byteLength + this.#states.byteLength;
  }

  /**
   * Reads results in JSON Lines.
   *
   * @throws {InvalidLineError} at a line that is no result.
   */
  async read(source: Source<Uint8Array>): Promise<void> {
    const scanner = new ResultScanner(new JsonScanner());
    const lines = jsonLineReader<void>(source, {
      maxLineBytes: MAX_RESULT_LINE_BYTES,
      accept: (bytes, begin, end) => {
        if (!scanner.scan(bytes, begin, end)) return false;
        this.#addScanned(bytes, scanner);
        return true;
      },
      parse: (value) => {
        const { id, outcome, cmdHash } = parseResult(value);
        const key = bytesOfId(id);
        this.#add(this.#numberOf(key, 0, key.length), stateOf(outcome), cmdHash);
      },
    });
    await lines.count();
    this.#results = this.#ids.size;
  }

  /**
   * Looks a task up.
   *
   * @param place where the task is in the input, from 1. For the same task and place the answer stays the same.
   * @param unit what is counted there, for the message.
   * @throws `RangeError` when the task has no id, or that of a task at another place.
   */
  find({ id, cmd }: Task, place: number, unit: "line" | "task"): IndexEntry {
    if (id === undefined) throw new RangeError('"id" is missing, and only by its id a task is found again');
    const key = bytesOfId(String(id));
    const number = this.#numberOf(key, 0, key.length);
    const entry = this.#see(number, place, this.#needsCrc(number) ? commandCrc(cmd) : 0);
    if (entry) return entry;
    throw new RangeError(
      `the id ${excerpt(String(id))} is that of ${unit} ${this.#words[number]}, too; to resume, ids must be unique`,
    );
  }

  /** Looks up a task that was scanned. Returns nothing of one that {@linkcode find} has to complain about. */
  findScanned(bytes: Uint8Array, scanner: TaskScanner, place: number): IndexEntry | undefined {
    if (!scanner.hasId) return undefined;
    const number = this.#numberOfSpan(bytes, scanner.id);
    return this.#see(number, place, this.#needsCrc(number) ? crcOfScanned(bytes, scanner) : 0);
  }

  #addScanned(bytes: Uint8Array, { id, outcome, cmdHash, hasCmdHash }: ResultScanner): void {
    const number = this.#numberOfSpan(bytes, id);
    const crc = hasCmdHash ? crcOfDigits(bytes, cmdHash) : -1;
    if (crc === -1) {
      return this.#add(number, STATE_BY_OUTCOME[outcome]!, hasCmdHash ? textOf(bytes, cmdHash) : undefined);
    }
    this.#states[number] = STATE_BY_OUTCOME[outcome]! | HAS_HASH;
    this.#words[number] = crc;
  }

  #add(number: number, state: number, cmdHash: string | undefined): void {
    const isHash = cmdHash !== undefined && /^[\da-f]{1,8}$/i.test(cmdHash); // other tools can have written anything
    this.#states[number] = isHash ? state | HAS_HASH : state;
    this.#words[number] = isHash ? parseInt(cmdHash, 16) : 0;
  }

  /** Whether the command of the task is to be compared with that of its result. */
  #needsCrc(number: number): boolean {
    return (this.#states[number]! & HAS_HASH) !== 0;
  }

  #see(number: number, place: number, crc: number): IndexEntry | undefined {
    if (!Number.isInteger(place) || place < 1 || place > MAX_PLACE) {
      throw new RangeError(
        `Cannot look up the task: its place must be an integer from 1 to ${MAX_PLACE}, got ${place}`,
      );
    }
    const state = this.#states[number]!;
    if (state & IS_SEEN) {
      if (this.#words[number] !== place) return undefined;
      return state & IS_DONE ? DONE : TO_DO;
    }
    const isDone = (state & IS_OK) !== 0 || (state & IS_FAILED) !== 0 && !this.#retryFailed;
    const isChanged = isDone && (state & HAS_HASH) !== 0 && this.#words[number] !== crc;
    this.#words[number] = place;
    this.#states[number] = isDone ? IS_SEEN | IS_DONE : IS_SEEN;
    return isChanged ? CHANGED : isDone ? DONE : TO_DO;
  }

  #numberOfSpan(bytes: Uint8Array, span: Span): number {
    if (!span.isEscaped) return this.#numberOf(bytes, span.begin, span.end);
    const key = bytesOfId(textOf(bytes, span));
    return this.#numberOf(key, 0, key.length);
  }

  #numberOf(bytes: Uint8Array, begin: number, end: number): number {
    const number = this.#ids.add(bytes, begin, end);
    if (number === this.#states.length) {
      this.#words = new Uint32Array(enlarged(this.#words));
      this.#states = new Uint8Array(enlarged(this.#states));
    }
    return number;
  }
}

function crcOfScanned(bytes: Uint8Array, { cmd, isShellCommand }: TaskScanner): number {
  if (!isShellCommand) return commandCrc(JSON.parse(decoder.decode(bytes.subarray(cmd.begin, cmd.end))));
  return cmd.isEscaped ? commandCrc(textOf(bytes, cmd)) : crc32OfPart(bytes, cmd.begin, cmd.end);
}

function stateOf(outcome: Outcome): number {
  return outcome === "ok" ? IS_OK : outcome === "canceled" ? 0 : IS_FAILED;
}

/** What a span says. */
export function textOf(bytes: Uint8Array, { begin, end, isEscaped }: Span): string {
  const text = decoder.decode(bytes.subarray(begin, end));
  return isEscaped ? JSON.parse(`"${text}"`) : text;
}

/** The number that 8 digits in lower case stand for, or -1. */
function crcOfDigits(bytes: Uint8Array, { begin, end }: Span): number {
  if (end - begin !== 8) return -1;
  let number = 0;
  for (let at = begin; at < end; at++) {
    const byte = bytes[at]!;
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : -1;
    if (digit === -1) return -1;
    number = number * 16 + digit;
  }
  return number;
}
