/** Splits values into columns. @module */

import { excerpt } from "../../text/excerpt.ts";
import { UsageError } from "../args/usage_error.ts";

/** Returns the columns of a value; `undefined` if the value continues in the next one, as a quoted line break does. */
export interface ColumnSplitter {
  split(value: string): readonly string[] | undefined;
  /** Called at the end of the input. @throws `RangeError` if a value is incomplete. */
  end(): void;
}

/** Takes each value as the only column. */
export class NoColumns implements ColumnSplitter {
  split(value: string): readonly string[] {
    return [value];
  }

  end(): void {}
}

/** Splits values where a regular expression matches. */
export class RegExpColumns implements ColumnSplitter {
  readonly #separator: RegExp;

  /** @throws {UsageError} for an invalid expression, or one that matches the empty text. */
  constructor(pattern: string) {
    try {
      // Perl takes a backslash before any punctuation.
      this.#separator = new RegExp(pattern.replace(/\\([^\w\s^$\\.*+?()[\]{}|/-])/g, "$1"), "gu");
    } catch (error) {
      throw new UsageError(`--colsep must be a regular expression such as '\\t' or ',', got ${excerpt(pattern)}`, {
        cause: error,
      });
    }
    if (new RegExp(this.#separator.source, "u").test("")) {
      throw new UsageError(`--colsep must not match the empty text, got ${excerpt(pattern)}`);
    }
  }

  split(value: string): readonly string[] {
    const columns: string[] = [];
    let begin = 0;
    // Not String.split(), which also returns the groups of the expression.
    for (const { 0: separator, index } of value.matchAll(this.#separator)) {
      if (separator === "") continue; // as of \b
      columns.push(value.slice(begin, index));
      begin = index + separator.length;
    }
    columns.push(value.slice(begin));
    return columns;
  }

  end(): void {}
}

/** Limit of the length of a record of CSV, in characters. */
const MAX_RECORD_LENGTH = 1024 * 1024;

/** Splits lines of CSV as in RFC 4180: columns in quotes may contain separators, line breaks, and quotes written twice. */
export class CsvColumns implements ColumnSplitter {
  readonly #separator: string;
  /** The lines of a record that is not complete. */
  #lines: string[] = [];
  #length = 0;
  #isInQuotes = false;
  #isFirst = true;

  constructor(separator = ",") {
    this.#separator = separator;
  }

  split(value: string): readonly string[] | undefined {
    const line = this.#isFirst && value.startsWith("\ufeff") ? value.slice(1) : value;
    this.#isFirst = false;
    this.#lines.push(line);
    this.#length += line.length + 1;
    // Quotes within a column are written twice, so that a complete record has an even number of quotes.
    if (countQuotes(line) % 2 === 1) this.#isInQuotes = !this.#isInQuotes;
    if (!this.#isInQuotes) return this.#parse(this.#takeRecord().replace(/\r$/, ""));
    if (this.#length > MAX_RECORD_LENGTH) {
      this.#takeRecord();
      throw new RangeError("Cannot read the record: it is longer than 1 MiB; is a quote missing?");
    }
    return undefined;
  }

  end(): void {
    if (!this.#isInQuotes) return;
    throw new RangeError(`Cannot read the record: a quote is not closed: ${excerpt(this.#takeRecord())}`);
  }

  #takeRecord(): string {
    const record = this.#lines.join("\n");
    this.#lines = [];
    this.#length = 0;
    this.#isInQuotes = false;
    return record;
  }

  #parse(record: string): string[] {
    const columns: string[] = [];
    for (let at = 0;; at += this.#separator.length) {
      const column = record[at] === '"' ? quotedColumn(record, at) : this.#plainColumn(record, at);
      columns.push(column.text);
      at = column.end;
      if (at === record.length) return columns;
      if (!record.startsWith(this.#separator, at)) {
        throw new RangeError(`Cannot read the record: text follows a column in quotes: ${excerpt(record)}`);
      }
    }
  }

  #plainColumn(record: string, begin: number): { text: string; end: number } {
    const found = record.indexOf(this.#separator, begin);
    const end = found === -1 ? record.length : found;
    const text = record.slice(begin, end);
    if (!text.includes('"')) return { text, end };
    throw new RangeError(
      `Cannot read the record: a column with a quote must be in quotes, with the quote written twice: ${
        excerpt(record)
      }`,
    );
  }
}

function quotedColumn(record: string, begin: number): { text: string; end: number } {
  let end = begin + 1;
  // The number of quotes is even, so that the search ends within the record.
  for (;;) {
    end = record.indexOf('"', end) + 1;
    if (record[end] !== '"') return { text: record.slice(begin + 1, end - 1).replaceAll('""', '"'), end };
    end++;
  }
}

function countQuotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) count++;
  return count;
}
