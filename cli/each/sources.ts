/** Streams of values: from arguments, files and standard input. @module */

import { InvalidLineError, LineReader } from "../../jsonl/line_reader.ts";
import { systemReason } from "../../system/system_error.ts";
import { decodeByteText, encodeByteText } from "../../text/byte_text.ts";
import { excerpt } from "../../text/excerpt.ts";
import { type ByteContents, type ByteSource, openBytes } from "../byte_source.ts";
import { UsageError } from "../args/usage_error.ts";
import type { ValueSource } from "../args/value_sources.ts";
import type { Io } from "../io.ts";
import type { ColumnSplitter } from "./columns.ts";

/** The values of one task from one source: its columns. */
export type Row = readonly string[];

/** Called with a message for each invalid value. Without it, the first invalid value ends the reading. */
export type OnInvalid = ((message: string) => unknown) | undefined;

/** Values of tasks that can be read once or, if they are repeatable, any number of times. */
export interface Rows {
  /** The name of the input in messages. */
  readonly name: string;
  readonly isRepeatable: boolean;
  rows(onInvalid: OnInvalid): AsyncIterable<Row>;
}

/** Values, for messages. */
export const VALUES = {
  noun: "values",
  format: "a file with one value per line",
  terminalHint: "reading values from the terminal, one per line",
} as const satisfies ByteContents;

/** Limit of the size of a value. */
const MAX_VALUE_BYTES = 1024 * 1024;
const NUL = 0;
/** The name of the values on the command line. */
const ARGUMENTS = "values after :::";

/** The division of a source into values and columns. */
export interface SourceFormat {
  /** The byte that ends a value of a file. */
  readonly delimiter: number;
  /** Creates the splitter of columns. */
  readonly columns: () => ColumnSplitter;
  /** Set if the first value names the columns. */
  readonly hasHeader: boolean;
}

interface Reading {
  readonly lines: LineReader<Row>;
  readonly columns: ColumnSplitter;
}

/** A source of values that can be read once or, if it is repeatable, any number of times. */
export class RowSource implements Rows {
  /** The name of the source in messages. */
  readonly name: string;
  /** Set if the source can be read twice. */
  readonly isRepeatable: boolean;
  readonly #open: ByteSource["open"];
  readonly #format: SourceFormat;
  /** The names of the columns; undefined without a header, or before it is read. */
  #names: Row | undefined;
  /** The first reading, after the header. */
  #opened: Reading | undefined;
  #onInvalid: OnInvalid;

  constructor({ name, isRepeatable, open }: ByteSource, format: SourceFormat) {
    this.name = name;
    this.isRepeatable = isRepeatable;
    this.#open = open;
    this.#format = format;
  }

  /** Reads the header, if there is one. Returns the names of the columns. */
  async readNames(): Promise<Row | undefined> {
    if (!this.#format.hasHeader || this.#names) return this.#names;
    this.#opened = this.#read();
    const { done, value } = await this.#opened.lines.next().catch((error) => {
      throw this.#explain(error);
    });
    if (done) throw new UsageError(`Cannot use --header: ${this.name} has no first line with the names of the columns`);
    this.#names = value.value;
    return this.#names;
  }

  /** Yields the values. */
  async *rows(onInvalid: OnInvalid): AsyncGenerator<Row, void> {
    const names = await this.readNames();
    const opened = this.#opened;
    this.#opened = undefined;
    const { lines, columns } = opened ?? this.#read();
    this.#onInvalid = onInvalid;
    let lastLine = 0;
    try {
      if (names && !opened) await lines.next();
      for await (const { value, lineNumber } of lines) {
        lastLine = lineNumber;
        yield value;
      }
      await this.#endColumns(columns, lastLine + 1);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  #read(): Reading {
    const columns = this.#format.columns();
    const lines = new LineReader<Row>(this.#open(), {
      delimiter: this.#format.delimiter,
      maxLineBytes: MAX_VALUE_BYTES,
      decode: decodeByteText,
      onInvalid: (error) => this.#skip(error),
      parse: (text, lineNumber) => {
        const row = this.#checked(columns.split(text));
        return row && { lineNumber, value: row };
      },
    });
    return { lines, columns };
  }

  async #endColumns(columns: ColumnSplitter, lineNumber: number): Promise<void> {
    try {
      columns.end();
    } catch (error) {
      await this.#skip(new InvalidLineError(lineNumber, (error as Error).message, { cause: error }));
    }
  }

  #skip(error: InvalidLineError): unknown {
    if (!this.#onInvalid) throw error;
    return this.#onInvalid(this.#describe(error));
  }

  /** Checks a row, and fills it with empty columns up to the number of columns of the header. */
  #checked(row: Row | undefined): Row | undefined {
    if (!row) return undefined;
    if (row.some((value) => value.includes("\0"))) {
      throw new RangeError("Cannot use the value: it contains a NUL character; if values end with NUL, add -0");
    }
    const width = this.#names?.length ?? row.length;
    if (row.length > width) {
      throw new RangeError(`Cannot use the value: it has ${row.length} columns, and the header names ${width}`);
    }
    return row.length === width ? row : [...row, ...Array<string>(width - row.length).fill("")];
  }

  #describe({ lineNumber, problem }: InvalidLineError): string {
    return this.name === ARGUMENTS ? `value ${lineNumber}: ${problem}` : `${this.name}:${lineNumber}: ${problem}`;
  }

  #explain(error: unknown): Error {
    if (error instanceof UsageError) return error;
    if (error instanceof InvalidLineError) {
      return new Error(this.#describe(error), { cause: error });
    }
    return new Error(`Cannot read values from ${excerpt(this.name)}: ${systemReason(error)}`, { cause: error });
  }
}

/** Sources of values, as the command line names them. */
export interface SourceArguments {
  /** The sources after `:::` and the other separators. */
  readonly sources: readonly ValueSource[];
  /** The files of `--arg-file`, which precede the other sources. */
  readonly files: readonly string[];
}

/**
 * Opens sources. Returns them in groups: the sources of a group are linked. Without any source, the only one is standard
 * input.
 *
 * @throws {UsageError} for a source without the source to link it to, and for two uses of standard input.
 */
export async function openSources(
  { sources, files }: SourceArguments,
  format: SourceFormat,
  io: Io,
): Promise<RowSource[][]> {
  const groups: RowSource[][] = [];
  const paths: string[] = [];
  const openFile = async (path: string) => {
    if (path === "-" && paths.includes("-")) throw new UsageError("Cannot read standard input twice");
    paths.push(path);
    return new RowSource(await openBytes(path, VALUES, io), format);
  };
  for (const path of files) groups.push([await openFile(path)]);
  for (const { separator, items } of sources) {
    const group = groups.at(-1);
    const isLinked = separator.endsWith("+");
    if (isLinked && !group) {
      throw new UsageError(
        `Cannot link the values after ${separator}: no source precedes them; write ${separator.slice(0, -1)}`,
      );
    }
    const isFile = separator.startsWith("::::");
    if (isFile && items.length === 0) throw new UsageError(`Missing FILE after ${separator}`);
    const opened: RowSource[] = [];
    if (!isFile) opened.push(argumentSource(items, format));
    else for (const path of items) opened.push(await openFile(path));
    if (isLinked) group!.push(...opened);
    else groups.push(...opened.map((source) => [source]));
  }
  return groups.length > 0 ? groups : [[await openFile("-")]];
}

function argumentSource(items: readonly string[], format: SourceFormat): RowSource {
  const open = () => items.map((value) => encodeByteText(`${value}\0`));
  return new RowSource({ name: ARGUMENTS, isRepeatable: true, open }, { ...format, delimiter: NUL });
}
