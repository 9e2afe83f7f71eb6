/**
 * Finds where quotes in a shell command begin and end. Scans only a small part of the shell's grammar, and stops at the rest.
 *
 * @module
 */

/** Quotes around a token of a command. */
export type Quotes = "" | "'" | '"';

/** A token of a command. */
export interface ShellToken {
  text: string;
  index: number;
  quotes: Quotes;
}

/** The tokens in a command, and where the scan ended. */
export interface ShellScan {
  /** Tokens of the caller, such as placeholders for values. */
  marks: ShellToken[];
  /** The first token after which quotes may have another meaning. The scan ends there. */
  opaque: ShellToken | undefined;
  /** The quotes that are open at the end. */
  quotes: Quotes;
}

/** Scans commands for tokens that match a regular expression and that no backslash precedes. */
export class ShellScanner {
  readonly #next: Readonly<Record<Quotes, RegExp>>;

  /** @param mark the source of the regular expression, without capturing groups. */
  constructor(mark: string) {
    const markToken = `(?<mark>${mark})`;
    this.#next = {
      "": oneOf(
        markToken,
        PARAMETER,
        String.raw`\\[^\n]`,
        "<<<",
        GLOB,
        `(?<quote>['"])`,
        String.raw`(?<opaque>${"`"}|\$[{'[]|\$(?=${mark})|\(\(|=\(|<<|\\\n|${SUBSCRIPT}|${BEGINS_COMMENT})`,
        "[^]",
      ),
      '"': oneOf(markToken, PARAMETER, String.raw`\\[^]`, '(?<quote>")', String.raw`(?<opaque>${"`"}|\$[{([])`, "[^]"),
      "'": oneOf(markToken, "(?<quote>')", "[^]"),
    };
  }

  /** Scans a command to its end, or to the first opaque token. */
  scan(command: string): ShellScan {
    const marks: ShellToken[] = [];
    let quotes: Quotes = "";
    for (let index = 0; index < command.length;) {
      const next: RegExp = this.#next[quotes];
      next.lastIndex = index;
      const { 0: text, groups }: RegExpExecArray = next.exec(command)!;
      const { mark, quote, opaque } = groups!;
      if (opaque) return { marks, opaque: { text, index, quotes }, quotes };
      if (mark) marks.push({ text, index, quotes });
      if (quote) quotes = quotes === "" ? quote as Quotes : "";
      index += text.length;
    }
    return { marks, opaque: undefined, quotes };
  }
}

const PARAMETER = String.raw`\$(?:[@*#?$!0-9-]|\{[A-Za-z_][A-Za-z0-9_]*\})`;
const GLOB = String.raw`\[[A-Za-z0-9_!^.,:-]*\]`;
const SUBSCRIPT = String.raw`(?<=[A-Za-z0-9_])\[`;
const BEGINS_COMMENT = String.raw`(?<![^\s;&|()<>])#`;

/** Tokens other than marks, quotes and opaque tokens have no group: only their length matters. */
function oneOf(...alternatives: string[]): RegExp {
  return new RegExp(alternatives.join("|"), "y");
}
