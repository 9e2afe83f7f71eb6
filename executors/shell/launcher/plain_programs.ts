/** Recognizes commands that only start programs. @module */

import { SILENT_BUILTINS } from "../builtin_command.ts";
import { commandRule } from "../grammar/builtin_commands.ts";
import { RESERVED_WORDS } from "../grammar/reserved_words.ts";
import { MAX_PROGRAMS, type Program, type Redirection } from "./messages.ts";

const NAME = /^[A-Za-z0-9_./+-]+$/;
/** A word without expansions: parts in single or double quotes, and characters that mean themselves. */
const WORD = /(?:[A-Za-z0-9_@%+=:,./^-]|'[^']*'|"[^"$`\\]*")+/y;
const GAP = /[ \t]+/y;
const QUOTED = /'([^']*)'|"([^"]*)"/g;
const DIGITS = /^[0-9]+$/;
/** A copy of another descriptor, or the operator before a path. */
const REDIRECTION = /([0-2]?)(?:([<>])&([0-2])(?![^ \t|])|(>>|>|<)[ \t]*)/y;

/**
 * Splits a command into the programs of a pipeline, or into a single program.
 *
 * @returns `undefined` when a shell does more than start programs with these words, or when that is uncertain.
 */
export function plainPrograms(command: string): Program[] | undefined {
  return new PipelineReader(command).programs();
}

/** Reads a command from the beginning. Each method returns `undefined` for what is not plain. */
class PipelineReader {
  readonly #command: string;
  #index = 0;

  constructor(command: string) {
    this.#command = command;
  }

  programs(): Program[] | undefined {
    const programs: Program[] = [];
    for (;;) {
      const program = this.#program();
      if (program === undefined || programs.push(program) > MAX_PROGRAMS) return undefined;
      if (this.#index === this.#command.length) return programs;
      this.#index++; // the pipe
    }
  }

  /** Reads a program up to the next pipe. */
  #program(): Program | undefined {
    const words: string[] = [];
    const redirections: Redirection[] = [];
    for (;;) {
      this.#match(GAP);
      if (this.#index === this.#command.length || this.#next === "|") break;
      const redirection = this.#match(REDIRECTION);
      if (redirection) {
        const read = this.#redirection(redirection);
        if (read === undefined) return undefined;
        redirections.push(read);
        continue;
      }
      const word = this.#word();
      if (word === undefined || (words.length === 0 && !isProgramName(word))) return undefined;
      words.push(unquoted(word));
    }
    return words.length === 0 ? undefined : { words, redirections };
  }

  #redirection([, digit, copy, source, operator]: RegExpExecArray): Redirection | undefined {
    const descriptor = digit || ((copy ?? operator) === "<" ? "0" : "1");
    if (source !== undefined) return { descriptor, operator: "&", target: source };
    const word = this.#word();
    const target = word && unquoted(word);
    return target ? { descriptor, operator: operator as Redirection["operator"], target } : undefined;
  }

  /** Reads a word with its quotes. */
  #word(): string | undefined {
    const word = this.#match(WORD)?.[0];
    const isDescriptor = word !== undefined && (this.#next === "<" || this.#next === ">") && DIGITS.test(word);
    return isDescriptor ? undefined : word;
  }

  get #next(): string | undefined {
    return this.#command[this.#index];
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#index;
    const match = pattern.exec(this.#command);
    if (match) this.#index = pattern.lastIndex;
    return match;
  }
}

function unquoted(word: string): string {
  return word.replace(QUOTED, (_text, single?: string, double?: string) => single ?? double ?? "");
}

function isProgramName(name: string): boolean {
  return NAME.test(name) && !RESERVED_WORDS.has(name) && !SILENT_BUILTINS.has(name) && commandRule(name) === "silent";
}
