import { formatCount, formatDuration } from "../../text/format.ts";
import { element, showIn } from "./elements.ts";
import type { Row } from "./run.ts";
import { outcomeLabel } from "./tables.ts";

const MAX_FOUND = 20;

/** Finds tasks by a part of their ids. */
export class Search {
  readonly #input: HTMLInputElement;
  readonly #list: HTMLElement;
  readonly #onSelect: (row: Row) => void;
  #rows: readonly Row[] = [];

  constructor(input: HTMLInputElement, list: HTMLElement, onSelect: (row: Row) => void) {
    this.#input = input;
    this.#list = list;
    this.#onSelect = onSelect;
    input.addEventListener("input", () => this.#find());
  }

  /** Sets the rows to search. */
  show(rows: readonly Row[]): void {
    this.#rows = rows;
    this.#find();
  }

  #find(): void {
    const text = this.#input.value;
    if (text === "") return showIn(this.#list, undefined, () => []);
    const lower = text.toLowerCase();
    const found = this.#rows.filter(({ id }) => id.toLowerCase().includes(lower));
    // An exact match comes first.
    found.sort((one, other) => Number(other.id === text) - Number(one.id === text));
    const first = found.slice(0, MAX_FOUND);
    const count = found.length === 0
      ? "No task id contains this text."
      : found.length > MAX_FOUND
      ? `${formatCount(found.length)} matches; the first ${MAX_FOUND}:`
      : undefined;
    showIn(this.#list, [count, first], () => [
      count !== undefined && element("li", { className: "faint" }, count),
      ...first.map((row) => this.#entry(row)),
    ]);
  }

  #entry(row: Row): HTMLElement {
    const when = `${formatDuration(row.endMs - row.startMs)}, started ${formatDuration(row.startMs)} into the run`;
    return element(
      "li",
      {},
      element("button", { className: "id", onclick: () => this.#onSelect(row) }, row.id),
      outcomeLabel(row.outcome),
      element("span", { className: "faint" }, when),
    );
  }
}
