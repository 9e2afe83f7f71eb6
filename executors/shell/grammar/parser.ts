/** Parses commands by the part of the shell grammar that workers run. @module */

import { commandRule } from "./builtin_commands.ts";
import { Lexer, reject, type TokenKind, UNSUPPORTED } from "./lexer.ts";
import { COMPOUND_BEGINNINGS, LIST_ENDS, RESERVED_WORDS } from "./reserved_words.ts";
import { isAssignable } from "./variables.ts";

/** The result of {@linkcode parseCommand}. */
export type ParsedCommand = "simple" | "compound" | undefined;

/** Parses a whole command. Returns `undefined` for a command that is incomplete, wrong, or not known to run in a worker. */
export function parseCommand(command: string): ParsedCommand {
  try {
    return new Parser(command).parse();
  } catch (error) {
    if (error !== UNSUPPORTED) throw error;
    return undefined;
  }
}

const ASSIGNMENT = /^([A-Za-z_][A-Za-z0-9_]*)=/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Characters that make the name of a command depend on an expansion. */
const EXPANDED = /[$*?[\]~`\\]/;
const END: readonly TokenKind[] = ["end of text"];
const SUBSTITUTION_END = [")"];
const CASE_ENDS = [";;", "esac"];

/** Parser by recursive descent. A method begins at the first token of its production, and ends at the token after it. */
class Parser extends Lexer {
  /** The number of commands so far, and of those that have set the positional parameters. */
  #commands = 0;
  #settings = 0;
  #hasProgram = false;

  constructor(command: string) {
    super(command);
  }

  parse(): "simple" | "compound" {
    this.next();
    this.#list(END);
    return this.isSimple && this.#hasProgram ? "simple" : "compound";
  }

  protected override parseSubstitution(): void {
    const commands = this.#commands;
    const settings = this.#settings;
    this.next();
    this.#list(SUBSTITUTION_END);
    this.#commands = commands;
    this.#settings = settings;
  }

  protected override parseBackquotes(command: string): void {
    const parser = new Parser(command);
    parser.hasArguments = this.hasArguments;
    parser.parse();
  }

  /** Parses commands up to one of the given words or operators, which becomes the current token. */
  #list(ends: readonly string[], mayBeEmpty = false): void {
    this.#skipNewlines();
    if (!mayBeEmpty && this.#isAt(ends)) reject();
    while (!this.#isAt(ends)) {
      const commands = this.#commands;
      const settings = this.#settings;
      this.#andOr();
      const { kind } = this;
      const isSetting = this.#settings > settings && this.#commands === commands + 1 && kind !== "&";
      if (isSetting && !this.isNested) this.hasArguments = true;
      if (kind === ";" || kind === "&" || kind === "\n") {
        this.next();
        this.#skipNewlines();
      } else if (kind !== "word" && ends.includes(kind)) return;
      else reject();
    }
  }

  /** Returns whether the current token is one of the given words or operators. */
  #isAt(ends: readonly string[]): boolean {
    return ends.includes(this.kind === "word" ? this.value : this.kind);
  }

  #skipNewlines(): void {
    while (this.kind === "\n") this.next();
  }

  #andOr(): void {
    for (;;) {
      this.#pipeline();
      if (this.kind !== "&&" && this.kind !== "||") return;
      this.next();
      this.#skipNewlines();
    }
  }

  #pipeline(): void {
    if (this.kind === "word" && this.value === "!") this.next();
    for (;;) {
      this.#command();
      if (this.kind !== "|") return;
      this.next();
      this.#skipNewlines();
    }
  }

  #command(): void {
    this.#commands++;
    if (this.kind === "(") this.#compound("(");
    else if (this.kind === "word") {
      const { value } = this;
      if (RESERVED_WORDS.has(value)) this.#compound(value);
      else this.#simpleCommand(value);
    } else if (this.kind === "redirection") {
      this.#redirections();
      this.#simpleCommand(this.#word());
    } else reject();
  }

  #compound(word: string): void {
    // Some shells take two parentheses as arithmetic.
    if (!COMPOUND_BEGINNINGS.has(word) || (word === "(" && this.text[this.end] === "(")) reject();
    this.enter();
    this.next();
    if (word === "case") this.#case();
    else this.#lists(word === "for" ? this.#forHeader() : word);
    this.leave();
    this.#redirections();
    if (this.kind === "word" || this.kind === "(") reject();
  }

  /** Parses the lists after a word, each up to its end, and the last end. */
  #lists(word: string): void {
    for (let ends; (ends = LIST_ENDS.get(word)) !== undefined;) {
      this.#list(ends);
      word = this.value;
      this.next();
    }
  }

  /** Parses the rest of `for NAME in WORDS; do`, and returns the word before the list. */
  #forHeader(): string {
    const name = this.#wordValue();
    if (!NAME.test(name) || !isAssignable(name)) reject();
    this.#skipNewlines();
    if (this.kind === "word" && this.value === "in") {
      do this.next(); while (this.kind === "word");
      this.#skipSeparator();
    } else {
      if (!this.hasArguments) reject();
      if (this.kind === ";") this.next();
    }
    this.#skipNewlines();
    if (this.#wordValue() !== "do") reject();
    return "do";
  }

  #skipSeparator(): void {
    // After this newline, dash 0.5.12 does not read here-documents.
    if (this.kind !== ";" && (this.kind !== "\n" || this.hasDocuments)) reject();
    this.next();
  }

  #case(): void {
    this.#wordValue();
    this.#skipNewlines();
    if (this.#wordValue() !== "in") reject();
    this.#skipNewlines();
    while (!this.#isAt(CASE_ENDS)) {
      if (this.kind === "(") this.next();
      this.#patterns();
      this.#list(CASE_ENDS, true);
      if (this.kind !== ";;") break;
      this.next();
      this.#skipNewlines();
    }
    if (this.#wordValue() !== "esac") reject();
  }

  #patterns(): void {
    while (true) {
      if (RESERVED_WORDS.has(this.#wordValue())) reject();
      const kind: TokenKind = this.kind;
      this.next();
      if (kind === ")") return;
      if (kind !== "|") reject();
    }
  }

  /** Returns the text of the current token if it is a word. */
  #word(): string | undefined {
    return this.kind === "word" ? this.value : undefined;
  }

  /** Returns the current word, and reads the next token. */
  #wordValue(): string {
    if (this.kind !== "word") reject();
    const { value } = this;
    this.next();
    return value;
  }

  #redirections(): void {
    while (this.kind === "redirection") {
      const { expectsFile } = this;
      this.next();
      if (expectsFile) this.#wordValue();
    }
  }

  /** Parses a simple command after its first redirections. */
  #simpleCommand(first: string | undefined): void {
    let name = first;
    for (let variable; name !== undefined && (variable = ASSIGNMENT.exec(name)?.[1]) !== undefined;) {
      if (!isAssignable(variable)) reject();
      this.next();
      this.#redirections();
      name = this.#word();
    }
    if (name !== undefined) this.#program(this.isQuoted ? name.replace(/['"]/g, "") : name);
    if (this.kind === "(") reject();
  }

  /** Parses the name of a command, and its operands and redirections. */
  #program(name: string): void {
    if (EXPANDED.test(this.value) && name !== "[") reject();
    const rule = commandRule(name);
    if (rule === "rejected" || (name === "shift" && !this.hasArguments)) reject();
    if (rule !== "silent") this.isSimple = false;
    this.#hasProgram = true;
    this.next();
    const operands: string[] | undefined = typeof rule === "string" ? undefined : [];
    while (this.kind === "word" || this.kind === "redirection") {
      if (this.kind === "word") {
        operands?.push(this.value);
        this.next();
      } else this.#redirections();
    }
    if (operands && !(rule as (operands: readonly string[]) => boolean)(operands)) reject();
    if (name === "set" && operands!.includes("--")) this.#settings++;
  }
}
