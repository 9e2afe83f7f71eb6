/** Splits a command into tokens, and checks the expansions in its words. @module */

import { isAssignable, isReadable } from "./variables.ts";

/** A token; an operator stands for itself. No word of a command equals `end of text`. */
export type TokenKind =
  | "word"
  | "redirection"
  | "end of text"
  | "\n"
  | ";"
  | ";;"
  | "&"
  | "&&"
  | "|"
  | "||"
  | "("
  | ")";

/** The place of an expansion, which determines the meaning of quotes within its braces. */
type Context = "bare" | "quoted" | "document" | "arithmetic";

/** A here-document whose text follows after the end of the line. */
interface HereDocument {
  delimiter: string;
  /** True when the delimiter is quoted, so that the text has no expansions. */
  isLiteral: boolean;
  stripsTabs: boolean;
}

/** Thrown where a command has something that a worker must not run. It has no stack trace, which would be slow. */
export const UNSUPPORTED: Error = Object.assign(Object.create(Error.prototype), { message: "Unsupported command" });

/** Throws {@linkcode UNSUPPORTED}. */
export function reject(): never {
  throw UNSUPPORTED;
}

/** The deepest nesting of commands and expansions. */
const MAX_DEPTH = 50;

/** Avoids an array for each command. */
const NO_DOCUMENTS: HereDocument[] = [];
const NAME = "[A-Za-z_][A-Za-z0-9_]*";
/** Characters of words that have the same meaning in all places. Matching one by one is slow on Bun. */
const ORDINARY = /[A-Za-z0-9_./:@%+,*?[\]~=\u0080-\uffff-]+/y;
/** Characters that are ordinary in dash, but special at the beginning of a word or in other shells. */
const UNUSUAL = "!#^{}";
const WORD_ENDS = " \t\n;&|()<>";
const IN_DOUBLE_QUOTES = /[^"$\\`]*/y;
const IN_DOCUMENT = /[^$\\`]*/y;
/** Ordinary characters within `${x-…}`. Braces, quotes and newlines have meanings there that differ between shells. */
const IN_BARE_BRACES = /[^}{'"$\\`\n;&|<>()]*/y;
const IN_QUOTED_BRACES = /[^}{'"$\\`\n]*/y;
const IN_ARITHMETIC = /[A-Za-z0-9_ \t+*/%<>=!&|^~?:,-]*/y;

const DIGITS = /^[0-9]+$/;
const NUMBER_OR_NAME = /[A-Za-z0-9_]+/g;
const VARIABLE = new RegExp(String.raw`\$(?:(${NAME})|[?0])`, "y");
const ARGUMENT = /\$(?:[@*#1-9])/y;
const BRACES = new RegExp(String.raw`\$\{(#?)(?:(${NAME})|[?0]|([@*]|[1-9][0-9]*))(:?[-+=?]|%%?|##?)?`, "y");
/** A dollar sign without meaning, within double quotes or a here-document. */
const LITERAL_DOLLAR = /\$(?=[\s"/|.,:;=+%)\]])/y;

/** A variable that differs in a worker, and that the result of an expansion in an arithmetic expression may name. */
const LINE_NUMBER = "LINENO";
/** A backslash that shells remove between backquotes. */
const REMOVED_BACKSLASH = /\\(?:[$"\\\n]|$)/;

/** A redirection of a descriptor, or the operator before a file. */
const REDIRECTION = /[0-9]?(?:[<>]&[0-9-](?![^\s;&|)])|(>>|>\||>|<)(?![<>&|(]))/y;
const HERE_DOCUMENT = /<<(-?)[ \t]*('[^'"\\\n]+'|"[^'"$\\`\n]+"|\\?[A-Za-z0-9_.:@%+,-]+)(?![^\s;&|)])/y;

/**
 * Reads one token after another. Rejects words with expansions whose result could differ in a worker, and words whose end
 * shells determine differently.
 */
export abstract class Lexer {
  protected readonly text: string;
  /** The current token, from `start` to `end`. */
  protected kind: TokenKind = "end of text";
  protected start = 0;
  protected end = 0;
  /** True for a redirection whose file is the next word. */
  protected expectsFile = false;
  /** True for a newline that the texts of here-documents follow. */
  protected hasDocuments = false;
  /** True for a word with quotes. */
  protected isQuoted = false;
  /** True when no expansion, character or comment so far can make the shell print a message, or needs a line of its own. */
  protected isSimple = true;
  /** True when the positional parameters are those that the command has set. */
  protected hasArguments = false;
  /** The number of compound commands and expansions around the current token. */
  #depth = 0;
  #documents: HereDocument[] = NO_DOCUMENTS;
  /** True when the text contains {@linkcode LINE_NUMBER}; `undefined` before the first arithmetic expression. */
  #namesLine: boolean | undefined;

  protected constructor(text: string) {
    this.text = text;
  }

  /** Parses the commands of `$(…)`, which begin at the next token, up to the closing parenthesis. */
  protected abstract parseSubstitution(): void;

  /** Parses the commands between backquotes. */
  protected abstract parseBackquotes(command: string): void;

  /** The text of the current token. */
  protected get value(): string {
    return this.text.slice(this.start, this.end);
  }

  /** True within a compound command or an expansion. */
  protected get isNested(): boolean {
    return this.#depth > 0;
  }

  /** Notes the beginning of a compound command or an expansion. Rejects deep nesting, at which the stack could overflow. */
  protected enter(): void {
    if (++this.#depth > MAX_DEPTH) reject();
    this.isSimple = false;
  }

  protected leave(): void {
    this.#depth--;
  }

  /** Reads the next token. */
  protected next(): void {
    const { text } = this;
    let offset = this.end;
    let character = text[offset];
    while (character === " " || character === "\t" || (character === "\\" && this.#isContinuation(offset))) {
      offset += character === "\\" ? 2 : 1;
      character = text[offset];
    }
    if (character === "#") {
      this.isSimple = false;
      offset = text.indexOf("\n", offset);
      if (offset < 0) offset = text.length;
      character = text[offset];
    }
    this.start = offset;
    switch (character) {
      case undefined:
        this.#operator("end of text");
        if (this.#documents.length > 0) reject();
        return;
      case "\n":
        this.end = offset + 1;
        this.hasDocuments = this.#documents.length > 0;
        if (this.hasDocuments) this.#readDocuments();
        this.kind = "\n";
        this.isSimple = false;
        return;
      case ";":
        return this.#operator(text[offset + 1] === ";" ? ";;" : ";");
      case "&":
        return this.#operator(text[offset + 1] === "&" ? "&&" : "&");
      case "|":
        return this.#operator(text[offset + 1] === "|" ? "||" : "|");
      case "(":
      case ")":
        return this.#operator(character);
      case "<":
      case ">":
        return this.#redirection();
    }
    const next = text[offset + 1];
    if ((next === "<" || next === ">") && character >= "0" && character <= "9") this.#redirection();
    else this.#word();
  }

  #operator(kind: TokenKind): void {
    this.kind = kind;
    const isEnd = kind === "end of text";
    this.end = isEnd ? this.start : this.start + kind.length;
    this.isSimple &&= isEnd;
  }

  /** Returns whether a backslash joins two lines between tokens. Rejects lines that are joined within a token. */
  #isContinuation(offset: number): boolean {
    if (this.text[offset + 1] !== "\n") return false;
    if (offset > 0 && !" \t\n".includes(this.text[offset - 1]!)) reject();
    this.isSimple = false;
    return true;
  }

  #redirection(): void {
    const { text, start } = this;
    this.kind = "redirection";
    this.isSimple = false;
    REDIRECTION.lastIndex = start;
    const redirection = REDIRECTION.exec(text);
    if (redirection) {
      this.end = REDIRECTION.lastIndex;
      this.expectsFile = redirection[1] !== undefined;
      return;
    }
    HERE_DOCUMENT.lastIndex = start;
    const [, dash, word] = HERE_DOCUMENT.exec(text) ?? reject();
    const isLiteral = /^['"\\]/.test(word!);
    const delimiter = word!.replace(/['"\\]/g, "");
    if (this.#documents.length === 0) this.#documents = [];
    this.#documents.push({ delimiter, isLiteral, stripsTabs: dash === "-" });
    this.end = HERE_DOCUMENT.lastIndex;
    this.expectsFile = false;
  }

  /** Reads the texts of the here-documents of a line, which follow its end. */
  #readDocuments(): void {
    const { text } = this;
    for (const { delimiter, isLiteral, stripsTabs } of this.#documents) {
      const begin = this.end;
      for (let line = begin;;) {
        if (line >= text.length) reject();
        let lineEnd = text.indexOf("\n", line);
        if (lineEnd < 0) lineEnd = text.length;
        let lineBegin = line;
        while (stripsTabs && text[lineBegin] === "\t") lineBegin++;
        if (lineEnd - lineBegin === delimiter.length && text.startsWith(delimiter, lineBegin)) {
          if (!isLiteral) this.#checkDocument(begin, line);
          this.end = Math.min(lineEnd + 1, text.length);
          break;
        }
        line = lineEnd + 1;
      }
    }
    this.#documents = NO_DOCUMENTS;
  }

  #checkDocument(begin: number, end: number): void {
    const { text } = this;
    for (let offset = begin; (offset = run(IN_DOCUMENT, text, offset)) < end;) {
      const next = text[offset] === "\\" ? this.#escape(offset) : this.#expansion(offset, "document");
      if (next > end || text.slice(offset, next).includes("\n")) reject();
      offset = next;
    }
  }

  #word(): void {
    const { text, start } = this;
    let offset = start;
    let isQuoted = false;
    for (;;) {
      offset = run(ORDINARY, text, offset);
      const character = text[offset];
      if (character === undefined || WORD_ENDS.includes(character)) break;
      if (character === "'") {
        offset = text.indexOf("'", offset + 1) + 1;
        if (offset === 0) reject();
        isQuoted = true;
      } else if (character === '"') {
        offset = this.#doubleQuotes(offset);
        isQuoted = true;
      } else if (character === "$" || character === "`") offset = this.#expansion(offset, "bare");
      else if (character === "\\") {
        offset = this.#escape(offset);
        isQuoted = true;
      } else if (UNUSUAL.includes(character)) {
        offset++;
        this.isSimple = false;
      } else reject();
    }
    this.kind = "word";
    this.start = start;
    this.end = offset;
    this.isQuoted = isQuoted;
    // Some shells take a number of any length before a redirection as a descriptor.
    if ((text[offset] === "<" || text[offset] === ">") && DIGITS.test(this.value)) reject();
    if (this.#documents.length > 0 && this.value.includes("\n")) reject();
  }

  #escape(offset: number): number {
    const escaped = this.text[offset + 1];
    this.isSimple = false;
    if (escaped === undefined || escaped === "\n") reject();
    return offset + 2;
  }

  #doubleQuotes(offset: number): number {
    const { text } = this;
    offset++;
    for (;;) {
      offset = run(IN_DOUBLE_QUOTES, text, offset);
      const character = text[offset];
      if (character === '"') return offset + 1;
      if (character === undefined) reject();
      offset = character === "\\" ? this.#escape(offset) : this.#expansion(offset, "quoted");
    }
  }

  /** Checks an expansion that begins with a dollar sign or a backquote, and returns its end. */
  #expansion(offset: number, context: Context): number {
    const { text } = this;
    if (text[offset] === "`") return this.#backquotes(offset, context);
    VARIABLE.lastIndex = offset;
    const variable = VARIABLE.exec(text);
    if (variable) {
      if (variable[1] !== undefined && !isReadable(variable[1])) reject();
      return VARIABLE.lastIndex;
    }
    if (text[offset + 1] === "{") return this.#braces(offset, context);
    if (text.startsWith("$((", offset)) return this.#arithmetic(offset + 3);
    if (text[offset + 1] === "(") return this.#substitution(offset + 2);
    if (this.hasArguments && run(ARGUMENT, text, offset) > offset) return ARGUMENT.lastIndex;
    if ((context === "quoted" || context === "document") && run(LITERAL_DOLLAR, text, offset) > offset) {
      return offset + 1;
    }
    reject();
  }

  #braces(offset: number, context: Context): number {
    const { text } = this;
    BRACES.lastIndex = offset;
    const [, length, name, argument, operator] = BRACES.exec(text) ?? reject();
    offset = BRACES.lastIndex;
    if (name !== undefined && !(operator?.endsWith("=") ? isAssignable(name) : isReadable(name))) reject();
    if (argument !== undefined && !this.hasArguments) reject();
    if (operator === undefined) return text[offset] === "}" ? offset + 1 : reject();
    if (length === "#") reject();
    this.enter();
    const isBare = context === "bare";
    const ordinary = isBare || /[%#]/.test(operator) ? IN_BARE_BRACES : IN_QUOTED_BRACES;
    for (;;) {
      offset = run(ordinary, text, offset);
      const character = text[offset];
      if (character === "}") break;
      if (character === "$" || character === "`") offset = this.#expansion(offset, isBare ? "bare" : "arithmetic");
      else if (character === "\\") offset = this.#escape(offset);
      else if (isBare && character === '"') offset = this.#doubleQuotes(offset);
      else if (isBare && character === "'") {
        offset = text.indexOf("'", offset + 1) + 1;
        if (offset === 0) reject();
      } else reject();
    }
    this.leave();
    return offset + 1;
  }

  #arithmetic(offset: number): number {
    const { text } = this;
    this.#namesLine ??= text.includes(LINE_NUMBER);
    if (this.#namesLine) reject();
    this.enter();
    for (let parentheses = 0;;) {
      const begin = offset;
      offset = run(IN_ARITHMETIC, text, offset);
      for (const [word] of text.slice(begin, offset).matchAll(NUMBER_OR_NAME)) {
        if (!/^[0-9]/.test(word) && !isAssignable(word)) reject();
      }
      const character = text[offset];
      if (character === "$") offset = this.#expansion(offset, "arithmetic");
      else if (character === "(") {
        parentheses++;
        offset++;
      } else if (character === ")" && parentheses > 0) {
        parentheses--;
        offset++;
      } else if (text.startsWith("))", offset)) {
        this.leave();
        return offset + 2;
      } else reject();
    }
  }

  #substitution(offset: number): number {
    const documents = this.#documents;
    const { hasArguments } = this;
    this.#documents = NO_DOCUMENTS;
    this.enter();
    this.end = offset;
    this.parseSubstitution();
    if (this.#documents.length > 0) reject();
    this.leave();
    this.#documents = documents;
    this.hasArguments = hasArguments;
    return this.end;
  }

  /** Checks the commands between backquotes, where no backslash changes the text that the shell parses. */
  #backquotes(offset: number, context: Context): number {
    const end = this.text.indexOf("`", offset + 1);
    const command = this.text.slice(offset + 1, end);
    // Within double quotes, not all shells pair the quotes of the commands separately.
    if (end < 0 || REMOVED_BACKSLASH.test(command) || (context !== "bare" && command.includes('"'))) reject();
    this.isSimple = false;
    this.parseBackquotes(command);
    return end + 1;
  }
}

/** Returns the end of the characters at the offset that match a sticky pattern. */
function run(pattern: RegExp, text: string, offset: number): number {
  pattern.lastIndex = offset;
  return pattern.test(text) ? pattern.lastIndex : offset;
}
