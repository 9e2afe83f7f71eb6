import { formatCount } from "../../text/format.ts";
import { shuffle } from "./shuffle.ts";
import type { OnInvalid, Row, Rows } from "./sources.ts";

/** Limit of the memory for the values of sources that are read several times. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;
const BYTES_PER_CHARACTER = 2;
/** Estimate of the memory of a value beyond its characters. */
const BYTES_PER_VALUE = 48;

/** Rows that are read once and held in memory. */
export class HeldRows {
  readonly #rows: Rows;
  #held: Promise<Row[]> | undefined;
  /** The messages of invalid values. */
  readonly #invalid: string[] = [];

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  /** Returns all rows. Reports the same invalid values every time. Throws if the rows need too much memory. */
  async all(onInvalid: OnInvalid): Promise<readonly Row[]> {
    this.#held ??= this.#read(onInvalid && ((message) => this.#invalid.push(message)));
    const held = await this.#held;
    for (const message of this.#invalid) await onInvalid?.(message);
    return held;
  }

  async #read(onInvalid: OnInvalid): Promise<Row[]> {
    const held: Row[] = [];
    let bytes = 0;
    for await (const row of this.#rows.rows(onInvalid)) {
      for (const value of row) bytes += BYTES_PER_VALUE + BYTES_PER_CHARACTER * value.length;
      if (bytes > MAX_HELD_BYTES) {
        throw new Error(
          `Cannot hold the values of ${this.#rows.name} in memory: they need more than 256 MiB after \
${formatCount(held.length)} of them; only the first source, without --shuf, --link and {##}, is read while tasks run`,
        );
      }
      held.push(row);
    }
    return held;
  }
}

/** Rows that are all read before the first is used, and can be shuffled. */
export class CachedRows implements Rows {
  readonly name: string;
  readonly isRepeatable = true;
  readonly #held: HeldRows;
  readonly #seed: number | undefined;
  #shuffled: readonly Row[] | undefined;

  /** @param seed the seed of the order; undefined to keep the order. */
  constructor(rows: Rows, seed: number | undefined) {
    this.name = rows.name;
    this.#held = new HeldRows(rows);
    this.#seed = seed;
  }

  async *rows(onInvalid: OnInvalid): AsyncGenerator<Row, void> {
    const rows = await this.#held.all(onInvalid);
    yield* this.#shuffled ??= this.#seed === undefined ? rows : shuffled(rows, this.#seed);
  }
}

function shuffled(rows: readonly Row[], seed: number): readonly Row[] {
  const copy = [...rows];
  shuffle(copy, seed);
  return copy;
}
