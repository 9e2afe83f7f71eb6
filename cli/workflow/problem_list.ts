import { pluralize } from "../../text/format.ts";
import { LineSet } from "./line_set.ts";

/** The number of problems that a check describes. */
const MAX_DESCRIBED = 20;

interface Problem {
  readonly line: number;
  readonly describe: () => string;
}

/** The problems of a task file. Describes only the first ones in the order of the lines. */
export class ProblemList {
  /** The lines whose tasks cannot run. */
  readonly lines: LineSet = new LineSet();
  /** Sorted by line. */
  readonly #first: Problem[] = [];
  #count = 0;

  /** The number of problems. */
  get count(): number {
    return this.#count;
  }

  /** Adds a problem of a line, unless the line has another one. */
  addForLine(line: number, describe: () => string): void {
    if (this.lines.add(line)) this.add(line, describe);
  }

  /** Adds a problem of several lines, under the number of the first. */
  add(line: number, describe: () => string): void {
    this.#count++;
    const after = this.#first.findIndex((problem) => problem.line > line);
    if (after === -1 && this.#first.length === MAX_DESCRIBED) return;
    this.#first.splice(after === -1 ? this.#first.length : after, 0, { line, describe });
    if (this.#first.length > MAX_DESCRIBED) this.#first.pop();
  }

  /** Adds the problems of another list, which have a line each. */
  addAll(other: ProblemList): void {
    for (const { line, describe } of other.#first) this.addForLine(line, describe);
    this.#count += other.#count - other.#first.length;
    this.lines.addAll(other.lines);
  }

  /** Describes the first problems, and counts the others. */
  messages(): string[] {
    const messages = this.#first.map(({ describe }) => describe());
    const others = this.#count - messages.length;
    return others > 0 ? [...messages, `and ${pluralize(others, "other problem")}`] : messages;
  }
}
