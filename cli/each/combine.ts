import { HeldRows } from "./held_rows.ts";
import type { OnInvalid, Row, Rows, RowSource } from "./sources.ts";

/**
 * Combines sources: every row of a group of linked sources with every row of the other groups, the last group fastest. The first
 * group is read while tasks run; the rows of the other groups are held in memory.
 */
export class Combination implements Rows {
  readonly name: string;
  readonly isRepeatable: boolean;
  readonly #first: Rows;
  readonly #others: readonly HeldRows[];

  constructor(groups: readonly (readonly RowSource[])[]) {
    const [first, ...others] = groups.map((sources) => sources.length === 1 ? sources[0]! : new LinkedRows(sources));
    this.#first = first!;
    this.#others = others.map((rows) => new HeldRows(rows));
    this.name = others.length === 0 ? first!.name : "values";
    this.isRepeatable = first!.isRepeatable;
  }

  rows(onInvalid: OnInvalid): AsyncIterable<Row> {
    return this.#others.length === 0 ? this.#first.rows(onInvalid) : this.#product(onInvalid);
  }

  async *#product(onInvalid: OnInvalid): AsyncGenerator<Row, void> {
    const others: (readonly Row[])[] = [];
    for (const other of this.#others) others.push(await other.all(onInvalid));
    for await (const row of this.#first.rows(onInvalid)) yield* productOf(row, others);
  }
}

function* productOf(row: Row, [next, ...others]: readonly (readonly Row[])[]): Generator<Row, void> {
  if (!next) {
    yield row;
    return;
  }
  for (const other of next) yield* productOf([...row, ...other], others);
}

/** Reads sources side by side, up to the end of the shortest, as GNU parallel does for `:::+`. */
class LinkedRows implements Rows {
  readonly name: string;
  readonly isRepeatable: boolean;
  readonly #sources: readonly RowSource[];

  constructor(sources: readonly RowSource[]) {
    this.#sources = sources;
    this.name = sources.map(({ name }) => name).join(" and ");
    this.isRepeatable = sources.every((source) => source.isRepeatable);
  }

  /** An invalid value ends the reading: without it, the next values would be linked to the wrong ones. */
  async *rows(): AsyncGenerator<Row, void> {
    const iterators = this.#sources.map((source) => source.rows(undefined));
    try {
      for (;;) {
        const rows: Row[] = [];
        for (const iterator of iterators) {
          const { done, value } = await iterator.next();
          if (done) return await this.#readRest(iterators);
          rows.push(value);
        }
        yield rows.flat();
      }
    } finally {
      for (const iterator of iterators) await iterator.return();
    }
  }

  /** Reads longer sources to their end, because a copy of standard input is complete only then. */
  async #readRest(iterators: readonly AsyncGenerator<Row, void>[]): Promise<void> {
    if (!this.isRepeatable) return;
    for (const iterator of iterators) {
      while (!(await iterator.next()).done);
    }
  }
}

/** Reads all sources, and links each row of the longest to the next row of the others, from their beginning after their end. */
export class WrappedRows implements Rows {
  readonly name: string;
  readonly isRepeatable = true;
  readonly #sources: readonly HeldRows[];

  constructor(sources: readonly RowSource[]) {
    this.#sources = sources.map((source) => new HeldRows(source));
    this.name = sources.length === 1 ? sources[0]!.name : "values";
  }

  async *rows(): AsyncGenerator<Row, void> {
    const sources: (readonly Row[])[] = [];
    for (const source of this.#sources) sources.push(await source.all(undefined));
    if (sources.some((rows) => rows.length === 0)) return;
    const length = Math.max(...sources.map((rows) => rows.length));
    for (let index = 0; index < length; index++) yield sources.flatMap((rows) => rows[index % rows.length]!);
  }
}
