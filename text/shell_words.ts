/** A word of a text. */
export interface ShellWord {
  readonly text: string;
  /** The number of the line on which the word begins, from 1. */
  readonly line: number;
}

/** An error for text that ends within quotes or after a backslash. */
export class ShellWordsError extends Error {
  override name = "ShellWordsError";
  /** The number of the line of the quote or backslash, from 1. */
  readonly line: number;

  constructor(problem: string, line: number) {
    super(problem);
    this.line = line;
  }
}

/** The next piece of a text, by the quotes around the piece. */
const PIECES = {
  "": pieceOf(
    String.raw`(?<gap>[ \t\r\n]+)`,
    String.raw`\\(?<escaped>[^])`,
    `(?<quote>['"])`,
    String.raw`[^ \t\r\n\\'"]+`,
  ),
  "'": pieceOf("(?<quote>')", "[^']+"),
  '"': pieceOf('(?<quote>")', String.raw`\\(?<escaped>[$${"`"}"\\\n])`, String.raw`[^"\\]+`, String.raw`\\`),
} as const;
const COMMENT = /#[^\n]*/y;

function pieceOf(...alternatives: string[]): RegExp {
  return new RegExp(alternatives.join("|"), "y");
}

/**
 * Splits text into words with the quoting of POSIX shells: whitespace separates words, `'…'`, `"…"` and backslashes
 * quote, and `#` at the beginning of a word begins a comment. Expands nothing, and treats operators as text: `$HOME`,
 * `*` and `|` stay unchanged.
 *
 * @throws {ShellWordsError}
 */
export function splitShellWords(text: string): ShellWord[] {
  const words: ShellWord[] = [];
  let word: { text: string; line: number } | undefined;
  let quotes: keyof typeof PIECES = "";
  let line = 1;
  let quotedFrom = 1; // the line of the opening quote
  for (let index = 0; index < text.length;) {
    const pattern: RegExp = word === undefined && text[index] === "#" ? COMMENT : PIECES[quotes];
    pattern.lastIndex = index;
    const match: RegExpExecArray | null = pattern.exec(text);
    if (!match) throw new ShellWordsError("a backslash ends the text", line);
    const { 0: piece, groups: { gap, quote, escaped } = {} } = match;
    if (gap !== undefined) {
      if (word) words.push(word);
      word = undefined;
    } else if (pattern !== COMMENT && escaped !== "\n") { // a backslash joins two lines
      word ??= { text: "", line };
      word.text += escaped ?? (quote === undefined ? piece : "");
    }
    if (quote !== undefined) {
      quotes = quotes === "" ? quote as "'" | '"' : "";
      quotedFrom = line;
    }
    index += piece.length;
    line += piece.split("\n").length - 1;
  }
  if (quotes !== "") throw new ShellWordsError(`a ${quotes} is not closed`, quotedFrom);
  if (word) words.push(word);
  return words;
}
