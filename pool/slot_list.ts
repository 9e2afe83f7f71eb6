const ABSENT = -1;
/** The place before the first slot and after the last one. The place of a slot is its index plus 1. */
const END = 0;

/**
 * An ordered list of slots, by their indexes. A `Set` that changes for each attempt leaves many tables to the garbage
 * collector.
 */
export class SlotList {
  /** By place: the place of the next slot in the list. */
  readonly #next = [END];
  /** By place: the place of the previous slot in the list. */
  readonly #previous = [END];
  #size = 0;

  /** The number of slots. */
  get size(): number {
    return this.#size;
  }

  /** The index that was added first; `undefined` when the list is empty. */
  get first(): number | undefined {
    return this.#next[END] === END ? undefined : this.#next[END]! - 1;
  }

  /** Adds a slot at the end, unless it is in the list. */
  add(index: number): void {
    const place = index + 1;
    if (this.#has(place)) return;
    while (this.#next.length <= place) {
      this.#next.push(ABSENT);
      this.#previous.push(ABSENT);
    }
    this.#link(this.#previous[END]!, place);
    this.#link(place, END);
    this.#size++;
  }

  /** Removes a slot, if it is in the list. */
  delete(index: number): void {
    const place = index + 1;
    if (!this.#has(place)) return;
    this.#link(this.#previous[place]!, this.#next[place]!);
    this.#next[place] = ABSENT;
    this.#previous[place] = ABSENT;
    this.#size--;
  }

  /** Returns the indexes in order. */
  indexes(): number[] {
    const indexes: number[] = [];
    for (let place = this.#next[END]!; place !== END; place = this.#next[place]!) indexes.push(place - 1);
    return indexes;
  }

  #has(place: number): boolean {
    return place < this.#next.length && this.#next[place] !== ABSENT;
  }

  #link(place: number, next: number): void {
    this.#next[place] = next;
    this.#previous[next] = place;
  }
}
