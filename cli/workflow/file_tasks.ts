import { enlarged } from "../../graph/id_table.ts";
import { parseJson, withoutByteOrderMark } from "../../jsonl/jsonl_reader.ts";
import type { HeldTasks } from "../../pool/workflow/source_facts.ts";
import { taskOfLine, withAllDigits } from "../../records/read_tasks.ts";
import type { CheckedTask } from "../../records/task.ts";
import { crc32OfRange } from "../../results/crc32.ts";
import type { RandomAccess } from "../../system/random_access_file.ts";
import { systemReason } from "../../system/system_error.ts";
import { excerpt } from "../../text/excerpt.ts";

const MIN_CAPACITY = 64;
/** The bytes of the arrays for a node. */
const BYTES_PER_TASK = 20;
const LF = 0x0a;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A line of a file. */
interface LineRange {
  number: number;
  /** The offset of its first byte. */
  begin: number;
  /** The length in bytes, without the newline. */
  bytes: number;
  /** The CRC-32 of these bytes. */
  crc: number;
}

/** Keeps the places of tasks in their file, and reads a task again when it starts. */
export class FileTasks implements HeldTasks {
  readonly #name: string;
  readonly #file: RandomAccess;
  readonly #latest: LineRange = { number: 0, begin: 0, bytes: 0, crc: 0 };
  /** By node. */
  #begins = new Float64Array(MIN_CAPACITY);
  #lengths = new Uint32Array(MIN_CAPACITY);
  #numbers = new Uint32Array(MIN_CAPACITY);
  #checksums = new Uint32Array(MIN_CAPACITY);

  /** @param name the name of the file in messages. */
  constructor(name: string, file: RandomAccess) {
    this.#name = name;
    this.#file = file;
  }

  /**
   * Notes the line of the task that the source yields next.
   *
   * @param lineBegin the offset of the line in the file.
   */
  note(number: number, lineBegin: number, bytes: Uint8Array, begin: number, end: number): void {
    const latest = this.#latest;
    latest.number = number;
    latest.begin = lineBegin;
    latest.bytes = end - begin;
    latest.crc = crc32OfRange(bytes, begin, end);
  }

  get heldBytes(): number {
    return BYTES_PER_TASK * this.#lengths.length;
  }

  hold(node: number): void {
    while (node >= this.#lengths.length) this.#enlarge();
    const { number, begin, bytes, crc } = this.#latest;
    this.#begins[node] = begin;
    this.#lengths[node] = bytes;
    this.#numbers[node] = number;
    this.#checksums[node] = crc;
  }

  take(node: number): CheckedTask {
    const number = this.#numbers[node]!;
    const text = withoutByteOrderMark(decoder.decode(this.#read(node, number)), number);
    return taskOfLine(withAllDigits(parseJson(text, false), text, number), number);
  }

  /** Closes the file. */
  close(): void {
    this.#file.close();
  }

  /** Returns the bytes of a line, which must be those that were checked. */
  #read(node: number, number: number): Uint8Array {
    const length = this.#lengths[node]!;
    const buffer = new Uint8Array(length + 1);
    const begin = this.#begins[node]!;
    let bytesRead: number;
    try {
      bytesRead = this.#file.readAt(buffer, begin);
    } catch (error) {
      throw new Error(`Cannot read tasks from ${excerpt(this.#name)}: ${systemReason(error)}`, { cause: error });
    }
    const isWhole = bytesRead === length || bytesRead > length && buffer[length] === LF;
    if (isWhole && crc32OfRange(buffer, 0, length) === this.#checksums[node]) return buffer.subarray(0, length);
    throw changedFile(this.#name, `line ${number} has changed since the run read the line`);
  }

  #enlarge(): void {
    this.#begins = new Float64Array(this.#begins.buffer.transfer(2 * this.#begins.byteLength));
    this.#lengths = new Uint32Array(enlarged(this.#lengths));
    this.#numbers = new Uint32Array(enlarged(this.#numbers));
    this.#checksums = new Uint32Array(enlarged(this.#checksums));
  }
}

/** Returns the error for a task file that another program has changed. */
export function changedFile(name: string, change: string): Error {
  const remedy = "to change a file of tasks during a run, write a new file and rename it";
  return new Error(`Cannot read tasks from ${excerpt(name)}: ${change}; ${remedy}`);
}
