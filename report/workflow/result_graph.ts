import { IdTable } from "../../graph/id_table.ts";
import { type Outcome, OUTCOMES } from "../../records/result.ts";
import type { ResultFacts } from "../../results/statistics/results_reader.ts";

const MIN_CAPACITY = 64;

/**
 * The tasks of a run with their prerequisites, times and outcomes. Tasks are nodes, numbered from 0 in the order in which
 * their ids are first named. Of several results of a task, the last one counts. A node takes about 100 bytes and a
 * prerequisite 4, in a few large arrays.
 */
export class ResultGraph {
  readonly #ids = new IdTable();
  /** By node: the index of the outcome plus 1; 0 for an id that only prerequisites name. */
  #outcomes = new Uint8Array(MIN_CAPACITY);
  #attempts = new Uint32Array(MIN_CAPACITY);
  /** By node: the start of the first attempt, in milliseconds since 1970, and the time from there to the end of the last. */
  #starts = new Float64Array(MIN_CAPACITY);
  #elapsed = new Float64Array(MIN_CAPACITY);
  /** By node: the milliseconds in which attempts ran. */
  #running = new Float64Array(MIN_CAPACITY);
  /** By node: its first prerequisite and their number, which are consecutive. */
  #firsts = new Uint32Array(MIN_CAPACITY);
  #counts = new Uint32Array(MIN_CAPACITY);
  #prerequisites = new Uint32Array(MIN_CAPACITY);
  #prerequisitesEnd = 0;

  /** The number of nodes. */
  get size(): number {
    return this.#ids.size;
  }

  /** True if a task has prerequisites. */
  get hasPrerequisites(): boolean {
    return this.#prerequisitesEnd > 0;
  }

  /** Size of the graph in memory, in bytes. */
  get heldBytes(): number {
    return this.#ids.heldBytes + 37 * this.#outcomes.length + this.#prerequisites.byteLength;
  }

  /** Adds a result. */
  add({ id, outcome, attempts, startedMs, durationMs, earlierAttempts, after }: ResultFacts): void {
    const node = this.#nodeOf(id);
    this.#outcomes[node] = OUTCOMES.indexOf(outcome) + 1;
    this.#attempts[node] = attempts;
    const startMs = earlierAttempts[0]?.startedMs ?? startedMs;
    this.#starts[node] = startMs;
    this.#elapsed[node] = startedMs - startMs + durationMs;
    this.#running[node] = earlierAttempts.reduce((sum, { durationMs }) => sum + durationMs, durationMs);
    this.#firsts[node] = this.#prerequisitesEnd;
    this.#counts[node] = after.length;
    for (const prerequisite of after) {
      const other = this.#nodeOf(prerequisite);
      if (this.#prerequisitesEnd === this.#prerequisites.length) this.#prerequisites = grown(this.#prerequisites);
      this.#prerequisites[this.#prerequisitesEnd++] = other;
    }
  }

  /** Returns the id of a node. */
  idOf(node: number): string {
    return this.#ids.idOf(node);
  }

  /** Returns the node of an id; -1 for an unknown id. */
  find(id: string): number {
    return this.#ids.findText(id);
  }

  /** Returns the outcome of a task; `undefined` for an id without a result. */
  outcomeOf(node: number): Outcome | undefined {
    return OUTCOMES[this.#outcomes[node]! - 1];
  }

  /** Returns the number of attempts of a task. */
  attemptsOf(node: number): number {
    return this.#attempts[node]!;
  }

  /** Returns the start of the first attempt; for a skipped task, the time of the decision. In milliseconds since 1970. */
  startOf(node: number): number {
    return this.#starts[node]!;
  }

  /** Returns the end of the last attempt, in milliseconds since 1970. */
  endOf(node: number): number {
    return this.#starts[node]! + this.#elapsed[node]!;
  }

  /** Returns the milliseconds between attempts; 0 for a single attempt. */
  backoffMsOf(node: number): number {
    return Math.max(0, this.#elapsed[node]! - this.#running[node]!);
  }

  /** Returns the milliseconds in which attempts ran. */
  runningMsOf(node: number): number {
    return this.#running[node]!;
  }

  /** Returns the prerequisites of a node, in the order of the task. */
  prerequisitesOf(node: number): Uint32Array {
    return this.#prerequisites.subarray(this.#firsts[node]!, this.#firsts[node]! + this.#counts[node]!);
  }

  #nodeOf(id: string): number {
    const node = this.#ids.addText(id);
    if (node === this.#outcomes.length) {
      this.#outcomes = grown(this.#outcomes);
      this.#attempts = grown(this.#attempts);
      this.#starts = grown(this.#starts);
      this.#elapsed = grown(this.#elapsed);
      this.#running = grown(this.#running);
      this.#firsts = grown(this.#firsts);
      this.#counts = grown(this.#counts);
    }
    return node;
  }
}

type Numbers = Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** Returns an array of twice the length with the same values. The memory of the old array is freed. */
export function grown<Type extends Numbers>(array: Type): Type {
  const ArrayType = array.constructor as new (buffer: ArrayBuffer) => Type;
  return new ArrayType(array.buffer.transfer(2 * array.byteLength));
}
