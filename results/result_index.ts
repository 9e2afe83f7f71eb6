import { JsonScanner } from "../jsonl/json_scanner.ts";
import { jsonLineReader } from "../jsonl/jsonl_reader.ts";
import type { Source } from "../jsonl/source.ts";
import { commandCrc } from "../records/command_hash.ts";
import {
  isUnfinished,
  MAX_RESULT_LINE_BYTES,
  type Outcome,
  OUTCOMES,
  parseResult,
  type TaskResult,
} from "../records/result.ts";
import type { Task } from "../records/task.ts";
import { crc32OfRange } from "./crc32.ts";
import { enlarged, IdTable } from "../graph/id_table.ts";
import { ResultScanner } from "./result_scanner.ts";
import { type Span, textOf } from "./span.ts";
import type { TaskScanner } from "./task_scanner.ts";

/**
 * The state of a task, by its latest result:
 *
 * - `remaining`: the task has no result, was canceled or, with `retryFailed`, is not `ok`. A run with the option `recorded`
 *   runs a skipped task only if one of its prerequisites runs again
 * - `done`: the task has a result
 * - `changed`: the task has a result of a different command
 */
export type TaskState = "remaining" | "done" | "changed";

/** Bits that describe the latest result of an id: its outcome, as the index in `OUTCOMES` plus 1. 0 without a result. */
const [OUTCOME_BITS, HAS_HASH] = [0x0f, 0x10] as const;
/** By outcomes. */
const IS_FINISHED = OUTCOMES.map((outcome) => !isUnfinished(outcome));
const IS_OK = OUTCOMES.map((outcome) => outcome === "ok");
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The latest result of each task, by the ids of the tasks. A result takes less than 64 bytes. */
export class ResultIndex {
  readonly #ids: IdTable = new IdTable();
  /** By the numbers of ids: the hash of the command. */
  #hashes = new Uint32Array(64);
  /** By the numbers of ids. */
  #bits = new Uint8Array(64);
  /** Which tasks are done, by outcomes. */
  readonly #isDone: readonly boolean[];
  #size = 0;

  /** @param retryFailed if true, all tasks whose latest outcome is not `ok` remain to run, not only canceled tasks. */
  constructor(retryFailed: boolean) {
    this.#isDone = retryFailed ? IS_OK : IS_FINISHED;
  }

  /** Number of tasks with a result. */
  get size(): number {
    return this.#size;
  }

  /** Number of ids: those of results, and those of tasks that were looked up. */
  get idCount(): number {
    return this.#ids.size;
  }

  /** Size of the index in memory, in bytes. */
  get heldBytes(): number {
    return this.#ids.heldBytes + this.#hashes.byteLength + this.#bits.byteLength;
  }

  /**
   * Adds results in JSON Lines.
   *
   * @throws {InvalidLineError} at a line that is not a result.
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
      parse: (value) => this.add(parseResult(value)),
    });
    await lines.count();
  }

  /** Adds a result, which replaces an earlier result of the task. */
  add({ id, outcome, cmdHash }: Pick<TaskResult, "id" | "outcome" | "cmdHash">): void {
    this.#set(this.intern(id), OUTCOMES.indexOf(outcome) + 1, cmdHash);
  }

  /**
   * Returns the state of a task.
   *
   * @throws `RangeError` when the task has no id.
   */
  stateOf({ id, cmd }: Task): TaskState {
    if (id === undefined) throw new RangeError('Cannot look up the task: "id" is missing');
    const number = this.#ids.findText(String(id));
    return number === -1 ? "remaining" : this.stateOfCommand(number, cmd);
  }

  /** Returns the outcome of the latest result of a task; `undefined` without a result, and for a canceled task. */
  outcomeOf(id: string): Outcome | undefined {
    const number = this.#ids.findText(id);
    if (number === -1) return undefined;
    const outcome = OUTCOMES[this.#outcomeIndex(number)];
    return outcome === "canceled" ? undefined : outcome;
  }

  /** Returns the number of an id; a new id gets the next number. */
  intern(id: string): number {
    return this.#withRoom(this.#ids.addText(id));
  }

  /** Returns the number of an id that was scanned. */
  internSpan(bytes: Uint8Array, span: Span): number {
    if (span.isEscaped) return this.intern(textOf(bytes, span));
    return this.#withRoom(this.#ids.add(bytes, span.begin, span.end));
  }

  #withRoom(number: number): number {
    if (number === this.#bits.length) {
      this.#hashes = new Uint32Array(enlarged(this.#hashes));
      this.#bits = new Uint8Array(enlarged(this.#bits));
    }
    return number;
  }

  /** Returns the state of the task with that number and command. */
  stateOfCommand(number: number, cmd: Task["cmd"]): TaskState {
    return this.#stateOf(number, this.#hasHash(number) ? commandCrc(cmd) : 0);
  }

  /** Returns the state of the task with that number and a scanned command. */
  stateOfScannedCommand(number: number, bytes: Uint8Array, scanner: TaskScanner): TaskState {
    return this.#stateOf(number, this.#hasHash(number) ? crcOfScanned(bytes, scanner) : 0);
  }

  #addScanned(bytes: Uint8Array, { id, outcome, cmdHash, hasCmdHash }: ResultScanner): void {
    const number = this.internSpan(bytes, id);
    const crc = hasCmdHash ? crcOfDigits(bytes, cmdHash) : -1;
    if (crc === -1) {
      return this.#set(number, outcome + 1, hasCmdHash ? textOf(bytes, cmdHash) : undefined);
    }
    this.#setHash(number, outcome + 1 | HAS_HASH, crc);
  }

  #set(number: number, bits: number, cmdHash: string | undefined): void {
    const isHash = cmdHash !== undefined && /^[\da-f]{1,8}$/i.test(cmdHash); // other tools may write anything
    this.#setHash(number, isHash ? bits | HAS_HASH : bits, isHash ? parseInt(cmdHash, 16) : 0);
  }

  #setHash(number: number, bits: number, hash: number): void {
    if (this.#bits[number] === 0) this.#size++;
    this.#bits[number] = bits;
    this.#hashes[number] = hash;
  }

  #hasHash(number: number): boolean {
    return (this.#bits[number]! & HAS_HASH) !== 0;
  }

  /** Returns the index in `OUTCOMES`; -1 without a result. */
  #outcomeIndex(number: number): number {
    return (this.#bits[number]! & OUTCOME_BITS) - 1;
  }

  #stateOf(number: number, crc: number): TaskState {
    if (!this.#isDone[this.#outcomeIndex(number)]) return "remaining";
    return this.#hasHash(number) && this.#hashes[number] !== crc ? "changed" : "done";
  }
}

function crcOfScanned(bytes: Uint8Array, { cmd, isShellCommand }: TaskScanner): number {
  if (!isShellCommand) return commandCrc(JSON.parse(decoder.decode(bytes.subarray(cmd.begin, cmd.end))));
  return cmd.isEscaped ? commandCrc(textOf(bytes, cmd)) : crc32OfRange(bytes, cmd.begin, cmd.end);
}

/** Returns the value of 8 hexadecimal digits in lower case, or -1. */
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
