import { excerpt } from "../../text/excerpt.ts";
import { quoteAlways } from "../../text/shell_quote.ts";
import { UsageError } from "../args/usage_error.ts";
import { type Placeholder, type PlaceholderSyntax, type TaskValues, textsOf } from "./placeholder.ts";
import { SLOT_EXPANSION, type Template } from "./template.ts";

/** A piece of an argument. */
type Piece = string | Placeholder;

/** An argument with placeholders. */
type Argument = readonly Piece[];

/**
 * A program and its arguments with placeholders, which no shell parses. A `{}` alone becomes one argument for each value. Only
 * a command with the number of the slot, which exists when a task starts, is a command of a shell.
 */
export class ArgumentTemplate implements Template {
  readonly placeholders: readonly Placeholder[];
  readonly #arguments: readonly Argument[];
  readonly #repeats: boolean;
  readonly #usesShell: boolean;

  /**
   * Parses a program and its arguments. Appends `{}` to a command without a placeholder, unless `appends` is false.
   *
   * @param repeats whether an argument that contains text and `{}` is repeated for each value, as for gathered values.
   * Otherwise the values in it are separated by spaces.
   * @throws {UsageError} for an unknown placeholder, and for a value in a script of a shell.
   */
  constructor(words: readonly string[], syntax: PlaceholderSyntax, repeats: boolean, appends = true) {
    const split: Argument[] = words.map((word) => splitArgument(word, syntax));
    refuseScript(words, split);
    if (appends && !split.some((argument) => argument.some(isPlaceholder))) split.push([syntax.parse(syntax.all)]);
    this.#arguments = split;
    this.#repeats = repeats;
    this.placeholders = split.flat().filter(isPlaceholder);
    this.#usesShell = this.placeholders.some(({ kind }) => kind === "slot");
  }

  commandFor(task: TaskValues): string | string[] {
    if (!this.#usesShell) return this.#arguments.flatMap((argument) => this.#fill(argument, task, plain));
    const words = this.#arguments.flatMap((argument) => this.#fill(argument, task, quoteAlways));
    // No shell looks for options in the name of a command, but some do after exec.
    return `${words[0]!.startsWith("'-") ? "" : "exec "}${words.join(" ")}`;
  }

  /** Returns the arguments that an argument of the template becomes. */
  #fill(argument: Argument, task: TaskValues, quote: (text: string) => string): string[] {
    const takesAll = argument.some(isAll);
    if (!takesAll || !(this.#repeats || argument.length === 1)) return [filled(argument, task, quote)];
    return task.values.map((value) => {
      const pieces = argument.map((piece) => isAll(piece) ? piece.edit(value) : piece);
      return filled(pieces, task, quote);
    });
  }
}

function splitArgument(word: string, syntax: PlaceholderSyntax): Argument {
  const pieces: Piece[] = [];
  let begin = 0;
  for (const { 0: mark, index } of word.matchAll(new RegExp(syntax.mark, "g"))) {
    if (index > begin) pieces.push(word.slice(begin, index));
    if (mark.startsWith("{") && word[index - 1] === "$") {
      throw new UsageError(
        `Cannot use ${mark} after $: it could be the parameter $${mark} of a shell; choose another placeholder, as in -I @@`,
      );
    }
    pieces.push(syntax.parse(mark));
    begin = index + mark.length;
  }
  if (begin < word.length || pieces.length === 0) pieces.push(word.slice(begin));
  return pieces;
}

const SHELL = /^(?:.*\/)?(?:sh|bash|dash|ash|zsh|ksh|mksh|yash|fish)$/;

/** Refuses a value in the script of `sh -c`, which would run the value. */
function refuseScript(words: readonly string[], split: readonly Argument[]): void {
  const shell = words.findIndex((word) => SHELL.test(word));
  if (shell === -1) return;
  const option = words.findIndex((word, index) => index > shell && /^-[A-Za-z]*c$/.test(word));
  const script = split[option + 1];
  if (option === -1 || !script?.some((piece) => !isText(piece) && piece.kind === "values")) return;
  const name = words[shell]!;
  throw new UsageError(
    `Cannot put a value into the script ${
      excerpt(words[option + 1])
    }: ${name} could run the value; pass the value as an \
argument, as in ${name} -c 'echo "$1"' ${name} {}, or write the script as the whole COMMAND`,
  );
}

/** Returns an argument of a task. Quotes the text around a slot, which is not text. */
function filled(argument: Argument, task: TaskValues, quote: (text: string) => string): string {
  let command = "";
  let text: string | undefined;
  for (const piece of argument) {
    if (isText(piece)) text = (text ?? "") + piece;
    else if (piece.kind !== "slot") text = (text ?? "") + textsOf(piece, task).join(" ");
    else {
      command += (text === undefined ? "" : quote(text)) + SLOT_EXPANSION;
      text = undefined;
    }
  }
  return command + (text === undefined ? "" : quote(text));
}

function isText(piece: Piece): piece is string {
  return typeof piece === "string";
}

function isPlaceholder(piece: Piece): piece is Placeholder {
  return !isText(piece);
}

function isAll(piece: Piece): piece is Extract<Placeholder, { kind: "values" }> {
  return !isText(piece) && piece.kind === "values" && piece.position === undefined;
}

function plain(text: string): string {
  return text;
}
