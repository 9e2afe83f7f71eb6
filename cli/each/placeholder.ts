import { posix } from "node:path";
import { excerpt } from "../../text/excerpt.ts";
import { UsageError } from "../args/usage_error.ts";

/** The part of a command that a placeholder stands for. */
export type Placeholder =
  /** Values: one by its position, from 1, or from -1 for the last; all without a position. */
  | { readonly kind: "values"; readonly position: number | undefined; readonly edit: Edit }
  /** The number of the task; if padded, with zeros before it up to the width of the total. */
  | { readonly kind: "number"; readonly isPadded: boolean }
  /** The number of all tasks. */
  | { readonly kind: "total" }
  /** The slot in which the task runs, from 1. */
  | { readonly kind: "slot" };

/** Changes a value, as `{.}` removes its extension. */
type Edit = (value: string) => string;

/** The data of one task that fills placeholders. */
export interface TaskValues {
  /** The values of all sources and columns. */
  readonly values: readonly string[];
  /** The number of the task, from 1. */
  readonly number: number;
  /** The number of all tasks; undefined if no placeholder needs it. */
  readonly total?: number | undefined;
}

/** A column that a header names. */
export interface NamedColumn {
  readonly name: string;
  /** The position of the column among all values, from 1. */
  readonly position: number;
}

/** The placeholders that a command may contain. */
export interface PlaceholderOptions {
  /** The text that is the only placeholder, in place of `{}` and its forms. */
  readonly replace?: string | undefined;
  /** The number of values of a task; undefined if it differs between tasks. */
  readonly width: number | undefined;
  /** The columns that headers name; undefined without headers. */
  readonly names?: readonly NamedColumn[] | undefined;
  /** The reason why tasks have no values; undefined if they have values. */
  readonly noValues?: string | undefined;
}

/** Edits of values as GNU parallel makes them, by the text within the braces. */
const EDITS: Readonly<Record<string, Edit>> = {
  "": (value) => value,
  ".": (value) => withoutExtensions(value, 1),
  "..": (value) => withoutExtensions(value, 2),
  "...": (value) => withoutExtensions(value, 3),
  "/": basename,
  "//": (value) => posix.dirname(value).replace(/(?<=[^])\/+$/, ""),
  "/.": (value) => withoutExtensions(basename(value), 1),
  "/..": (value) => withoutExtensions(basename(value), 2),
  "/...": (value) => withoutExtensions(basename(value), 3),
  "+/": (value) => value.slice(0, Math.max(0, value.lastIndexOf("/"))),
  "+.": (value) => value.slice(value.lastIndexOf(".") + 1 || value.length),
  "+..": (value) => extensions(value, 2),
  "+...": (value) => extensions(value, 3),
};

/** The forms of `{}`, for messages. */
const FORMS = Object.keys(EDITS).map((edit) => `{${edit}}`).join(" ");

/**
 * Text in braces that could be a placeholder: only digits and the punctuation of placeholders, or a Perl expression. Not a
 * range as in `{1..9}`, which shells expand.
 */
const CANDIDATE = String.raw`\{(?!-?\d+\.\.-?\d+(?:\.\.-?\d+)?\})[-+0-9./#%:=]*\}|\{=[^]*?=\}`;
const EDIT = String.raw`(?:\+?(?:\.{1,3}|/)|//|/\.{1,3})?`;
/** A word that could be the name of a column. */
const WORD = String.raw`[A-Za-z_\u0080-\uffff][\w\u0080-\uffff-]*`;
const POSITION = /^(-?\d+)(\D*)$/;

/** The syntax of the placeholders of a command. */
export class PlaceholderSyntax {
  /** The placeholder to append to a command that has none. */
  readonly all: string;
  /** The source of a regular expression for a placeholder, known or not, without capturing groups. */
  readonly mark: string;
  readonly #options: PlaceholderOptions;
  readonly #named: RegExp | undefined;

  constructor(options: PlaceholderOptions) {
    const { replace, names } = options;
    this.#options = options;
    this.all = replace ?? "{}";
    if (replace !== undefined) {
      this.mark = escapeRegExp(replace);
      return;
    }
    if (!names) {
      this.mark = CANDIDATE;
      return;
    }
    // The longest name first, because a name can be the beginning of another.
    const known = names.map(({ name }) => name).filter(Boolean).toSorted((one, other) => other.length - one.length);
    const word = [...known.map(escapeRegExp), WORD].join("|");
    this.mark = `${CANDIDATE}|\\{(?:${word})${EDIT}\\}`;
    this.#named = new RegExp(`^(${word})(${EDIT})$`);
  }

  /** Returns the placeholder that a text is. @throws {UsageError} for an unknown placeholder. */
  parse(text: string): Placeholder {
    if (this.#options.replace !== undefined) return this.#values(undefined, "", text);
    const inner = text.slice(1, -1);
    if (inner === "#" || inner === "0#") return { kind: "number", isPadded: inner === "0#" };
    if (inner === "##") return { kind: "total" };
    if (inner === "%") return { kind: "slot" };
    if (Object.hasOwn(EDITS, inner)) return this.#values(undefined, inner, text);
    const [, digits, edit = ""] = POSITION.exec(inner) ?? [];
    if (digits !== undefined && Object.hasOwn(EDITS, edit) && this.#isPosition(Number(digits))) {
      return this.#values(Number(digits), edit, text);
    }
    const [, name, editOfName = ""] = this.#named?.exec(inner) ?? [];
    if (name !== undefined) return this.#values(this.#positionOf(name, text), editOfName, text);
    throw this.#unknown(text);
  }

  #values(position: number | undefined, edit: string, text: string): Placeholder {
    const { noValues } = this.#options;
    if (noValues !== undefined) throw new UsageError(`Cannot use ${text}: ${noValues}`);
    return { kind: "values", position, edit: EDITS[edit]! };
  }

  #isPosition(position: number): boolean {
    const { width } = this.#options;
    return position !== 0 && (width === undefined || Math.abs(position) <= width);
  }

  #positionOf(name: string, text: string): number {
    const [column, ...more] = this.#options.names!.filter((column) => column.name === name);
    if (!column) throw this.#unknown(text);
    if (more.length === 0) return column.position;
    const positions = [column, ...more].map(({ position }) => `{${position}}`).join(" and ");
    throw new UsageError(`Cannot use ${text}: more than one column has this name; write ${positions}`);
  }

  #unknown(text: string): UsageError {
    const { width, names, noValues } = this.#options;
    const available = noValues !== undefined ? ["{#} {0#} {##} {%}"] : [
      names && names.map(({ name }) => excerpt(`{${name}}`).slice(1, -1)).join(" "),
      FORMS,
      width === undefined ? "{1} {2} …" : width === 1 ? "{1}" : width === 2 ? "{1} {2}" : `{1} … {${width}}`,
      "{#} {0#} {##} {%}",
    ].filter(Boolean);
    const remedy = "for this text itself, choose another placeholder for the value, as in -I @@";
    return new UsageError(
      `Unknown placeholder ${excerpt(text)}: available are ${available.join(" ")}; ${remedy}`,
    );
  }
}

/** Returns the texts that a placeholder of any kind but `slot` stands for: one, or all values of a task. */
export function textsOf(placeholder: Exclude<Placeholder, { kind: "slot" }>, task: TaskValues): readonly string[] {
  switch (placeholder.kind) {
    case "values": {
      const { position, edit } = placeholder;
      if (position === undefined) return task.values.map(edit);
      return [edit(task.values.at(position > 0 ? position - 1 : position) ?? "")];
    }
    case "number":
      return [`${task.number}`.padStart(placeholder.isPadded ? `${task.total}`.length : 0, "0")];
    case "total":
      return [`${task.total}`];
  }
}

/** Returns whether a placeholder needs the number of all tasks. */
export function needsTotal(placeholder: Placeholder): boolean {
  return placeholder.kind === "total" || (placeholder.kind === "number" && placeholder.isPadded);
}

/** Removes a number of extensions from a path; none if there are fewer. */
function withoutExtensions(path: string, count: number): string {
  return path.replace(new RegExp(`(?:\\.[^/.]*){${count}}$`), "");
}

/** Returns a number of extensions of a path; nothing if there are fewer. */
function extensions(path: string, count: number): string {
  return new RegExp(`\\.([^/.]*(?:\\.[^/.]*){${count - 1}})$`).exec(path)?.[1] ?? "";
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
