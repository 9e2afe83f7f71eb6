import { excerpt } from "../../text/excerpt.ts";
import { UsageError } from "../args/usage_error.ts";
import type { ValueSource } from "../args/value_sources.ts";
import { openBytes } from "../byte_source.ts";
import type { Io } from "../io.ts";
import type { TaskInput } from "../task_input.ts";
import { ArgumentTemplate } from "./argument_template.ts";
import { BlockInput } from "./block_input.ts";
import { type ColumnSplitter, CsvColumns, NoColumns, RegExpColumns } from "./columns.ts";
import { Combination, WrappedRows } from "./combine.ts";
import { CommandTemplate } from "./command_template.ts";
import type { InputFlags } from "./flags.ts";
import { type GroupSize, MAX_COMMAND_BYTES } from "./gather.ts";
import { CachedRows } from "./held_rows.ts";
import { type NamedColumn, needsTotal, type PlaceholderOptions, PlaceholderSyntax } from "./placeholder.ts";
import { openSources, type RowSource, type SourceFormat, VALUES } from "./sources.ts";
import { idOfGroup, idOfValue, idOfValues } from "./task_id.ts";
import type { Template } from "./template.ts";
import type { TaskFields } from "./task_fields.ts";
import { ValueInput } from "./value_input.ts";

const LF = 10;
const NUL = 0;
const DEFAULT_BLOCK_BYTES = 1024 * 1024;

/** The part of the command line that makes tasks. */
export interface EachArguments {
  readonly flags: InputFlags;
  /** The words of COMMAND. */
  readonly words: readonly string[];
  readonly sources: readonly ValueSource[];
  /** Set if the results go to a file, which needs unique ids. */
  readonly hasUniqueIds: boolean;
}

/**
 * Opens the input of `each`.
 *
 * @throws {UsageError} for flags that exclude each other, an unknown placeholder, or a place where a value cannot be quoted.
 */
export async function openInput(args: EachArguments, io: Io): Promise<TaskInput> {
  checkFlags(args);
  return args.flags.pipe ? await openBlocks(args, io) : await openValues(args, io);
}

async function openValues({ flags, words, sources, hasUniqueIds }: EachArguments, io: Io): Promise<ValueInput> {
  const groupSize = groupSizeOf(flags["max-args"]);
  const format: SourceFormat = {
    delimiter: flags.null ? NUL : flags.delimiter ?? LF,
    columns: columnsOf(flags),
    hasHeader: flags.header ?? false,
  };
  const groups = await openSources({ sources, files: flags["arg-file"] ?? [] }, format, io);
  const all = groups.flat();
  const hasColumns = flags.colsep !== undefined || flags.csv === true;
  const names = flags.header ? await readNames(all) : undefined;
  const rowWidth = names?.length ?? (hasColumns ? undefined : all.length);
  const rowsPerTask = groupSize === undefined ? 1 : "rows" in groupSize ? groupSize.rows : undefined;
  const template = templateOf(words, {
    replace: flags.replace,
    width: rowWidth === undefined || rowsPerTask === undefined ? undefined : rowWidth * rowsPerTask,
    names,
  }, groupSize !== undefined);
  const combined = flags.link ? new WrappedRows(all) : new Combination(groups);
  const seed = flags.seed ?? Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
  const isSingle = all.length === 1 && !hasColumns;
  return new ValueInput({
    rows: flags.shuf ? new CachedRows(combined, seed) : combined,
    template,
    groupSize,
    idOf: groupSize ? idOfGroup : isSingle ? ([value]) => idOfValue(value!) : idOfValues,
    hasUniqueIds,
    fields: fieldsOf(flags),
  });
}

/** Returns the fields that all tasks have. */
export function fieldsOf({ uses, slots, priority }: InputFlags): TaskFields {
  return {
    ...(uses && { uses: Object.fromEntries(uses) }),
    ...(slots !== undefined && { slots }),
    ...(priority !== undefined && { priority }),
  };
}

async function openBlocks({ flags, words }: EachArguments, io: Io): Promise<BlockInput> {
  const records = flags["max-args"];
  const recordStart = flags.recstart ?? new Uint8Array();
  const recordEnd = flags.recend ?? (flags.recstart ? new Uint8Array() : Uint8Array.of(LF));
  if (recordStart.length + recordEnd.length === 0 && records !== undefined) {
    throw new UsageError("Cannot use -n with an empty --recend: without --recstart, nothing divides the records");
  }
  const options = {
    replace: flags.replace,
    width: 0,
    noValues: "with --pipe a task has no values, but standard input",
  };
  const template = templateOf(words, options, false);
  if (template.placeholders.some(needsTotal)) {
    throw new UsageError("Cannot use {##} or {0#} with --pipe: the number of blocks is unknown");
  }
  const source = await openBytes(flags["arg-file"]?.[0] ?? "-", VALUES, io);
  const size = typeof records === "number" ? { records } : { bytes: flags.block ?? DEFAULT_BLOCK_BYTES };
  const format = { recordEnd, recordStart, size, hasHeader: flags.header ?? false };
  return new BlockInput(source, format, template, fieldsOf(flags));
}

function templateOf(words: readonly string[], options: PlaceholderOptions, isGathered: boolean): Template {
  const [command, ...more] = words;
  const syntax = new PlaceholderSyntax(options);
  const appends = options.noValues === undefined;
  if (more.length > 0) return new ArgumentTemplate(words, syntax, isGathered, appends);
  return new CommandTemplate(command!, syntax, appends);
}

function columnsOf({ colsep, csv }: InputFlags): () => ColumnSplitter {
  if (csv) return () => new CsvColumns(colsep);
  if (colsep === undefined) return () => new NoColumns();
  const columns = new RegExpColumns(colsep);
  return () => columns;
}

/** `-n 1` is the default, in which a task has the values of one row. */
function groupSizeOf(maxArgs: InputFlags["max-args"]): GroupSize | undefined {
  if (maxArgs === undefined || maxArgs === 1) return undefined;
  return maxArgs === "max" ? { bytes: MAX_COMMAND_BYTES } : { rows: maxArgs };
}

async function readNames(sources: readonly RowSource[]): Promise<NamedColumn[]> {
  const columns: NamedColumn[] = [];
  for (const source of sources) {
    for (const name of (await source.readNames())!) columns.push({ name, position: columns.length + 1 });
  }
  return columns;
}

type FlagName = keyof InputFlags;

/** Flags that have no effect, or another one, together. */
const EXCLUSIONS: readonly (readonly [flag: FlagName, others: readonly FlagName[], reason: string])[] = [
  ["null", ["delimiter"], "values can have only one end"],
  ["pipe", ["null", "delimiter", "colsep", "csv", "link", "replace", "shuf"], "blocks have no values"],
];

function checkFlags({ flags, words, sources }: EachArguments): void {
  const isGiven = (name: FlagName) => flags[name] !== undefined;
  for (const [flag, others, reason] of EXCLUSIONS) {
    const other = others.find(isGiven);
    if (isGiven(flag) && other) throw new UsageError(`Cannot use --${other} with --${flag}: ${reason}`);
  }
  if (flags.header && words[0] === ":") throw new UsageError("--header takes no value: remove the : after it");
  if (flags.replace === "") throw new UsageError("--replace must not be empty: name the text to replace, as in -I @@");
  if (flags.csv && flags.colsep !== undefined && (flags.colsep.length !== 1 || /["\r\n]/.test(flags.colsep))) {
    throw new UsageError(`--colsep must be one character with --csv, got ${excerpt(flags.colsep)}`);
  }
  if (flags.seed !== undefined && !flags.shuf) throw new UsageError("Cannot use --seed without --shuf");
  if (flags.pipe) return checkPipe(flags, sources);
  if (flags.header && isGiven("max-args")) {
    throw new UsageError("Cannot use --max-args with --header: gathered values have no names");
  }
  for (const name of ["block", "recend", "recstart"] as const) {
    if (isGiven(name)) throw new UsageError(`Cannot use --${name} without --pipe`);
  }
}

function checkPipe(flags: InputFlags, sources: readonly ValueSource[]): void {
  const files = flags["arg-file"] ?? [];
  if (sources.length > 0) {
    throw new UsageError(
      `Cannot use ${sources[0]!.separator} with --pipe: blocks come from standard input, or from -a FILE`,
    );
  }
  if (files.length > 1) throw new UsageError("Cannot use --arg-file twice with --pipe: blocks come from one file");
  if (flags["max-args"] === "max") {
    throw new UsageError("Cannot use --max-args max with --pipe: --block SIZE limits a block");
  }
  if (flags["max-args"] !== undefined && flags.block !== undefined) {
    throw new UsageError("Cannot use --block with --max-args: a block has a size or a number of records");
  }
  if (flags.block === 0) throw new UsageError("--block must be at least 1");
}
