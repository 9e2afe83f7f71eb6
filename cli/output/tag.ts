/** The tags that `--tag` puts before lines. @module */

import { Buffer } from "node:buffer";
import { permittedVariable } from "../../system/deno_permissions.ts";
import { printable } from "../../text/excerpt.ts";
import type { Io } from "../io.ts";
import type { StreamName } from "./ordered_output.ts";

/** The value of `--color`. */
export type ColorMode = "auto" | "always" | "never";

/** Foreground colors for tags: readable on dark and light backgrounds, and without the red of errors. */
const COLORS = [36, 32, 33, 35, 34, 96, 92, 93, 95, 94] as const;

/** Returns the tag of a task for a stream. */
export type TagOf = (id: string, stream: StreamName) => string;

/** Returns a function that makes tags of the ids of tasks: the id with control characters escaped, and a tab. */
export function tagger(mode: ColorMode, io: Pick<Io, "stdoutIsTerminal" | "stderrIsTerminal">): TagOf {
  const isColored = {
    stdout: hasColor(mode, io.stdoutIsTerminal),
    stderr: hasColor(mode, io.stderrIsTerminal),
  };
  return (id, stream) => {
    const text = printable(id);
    return isColored[stream] ? `\x1b[${colorOf(id)}m${text}\x1b[0m\t` : `${text}\t`;
  };
}

function hasColor(mode: ColorMode, isTerminal: boolean): boolean {
  if (mode !== "auto") return mode === "always";
  return isTerminal && !permittedVariable("NO_COLOR") && permittedVariable("TERM") !== "dumb";
}

/** Returns the color of an id, the same in every run. */
function colorOf(id: string): number {
  let hash = 0x811c9dc5; // FNV-1a
  for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return COLORS[(hash >>> 0) % COLORS.length]!;
}

/** A line break within a text: the next line has a tag. `\r` alone starts the line of a terminal again. */
const BREAK = /\n(?=[^])|\r(?=[^\n])/g;

/** Puts a tag before each line of a text that arrives in chunks. */
export class LineTagger {
  readonly #tag: string;
  /** The line break at the end of the text so far, because only more text makes a new line. */
  #carry = "";
  #isEmpty = true;
  #endsLine = true;

  constructor(tag: string) {
    this.#tag = tag;
  }

  /** Returns the next text, with tags. */
  add(chunk: string): string {
    if (chunk === "") return "";
    const text = this.#carry + chunk;
    const isBreak = text.endsWith("\n") || text.endsWith("\r");
    this.#carry = isBreak ? text.at(-1)! : "";
    const begin = this.#isEmpty ? this.#tag : "";
    this.#isEmpty = false;
    this.#endsLine = text.endsWith("\n");
    // The lookahead of the last break before the carry needs the carry.
    const tagged = begin + text.replace(BREAK, (lineBreak) => lineBreak + this.#tag);
    return isBreak ? tagged.slice(0, -1) : tagged;
  }

  /** Returns the rest of the text, and a newline if the last line has none. */
  end(): string {
    return this.#carry + (this.#endsLine ? "" : "\n");
  }
}

/** Puts a tag after each line break within lines. */
export function tagBreaks(lines: Uint8Array, tag: string): Uint8Array {
  const latin1Tag = Buffer.from(tag).toString("latin1");
  return Buffer.from(latin1Of(lines).replace(BREAK, (lineBreak) => lineBreak + latin1Tag), "latin1");
}

/** A {@linkcode LineTagger} for bytes. */
export class ByteLineTagger {
  readonly #tagger: LineTagger;

  constructor(tag: string) {
    this.#tagger = new LineTagger(Buffer.from(tag).toString("latin1"));
  }

  /** Returns the next bytes, with tags. */
  add(chunk: Uint8Array): Uint8Array {
    return Buffer.from(this.#tagger.add(latin1Of(chunk)), "latin1");
  }

  /** Returns the rest of the bytes. */
  end(): Uint8Array {
    return Buffer.from(this.#tagger.end(), "latin1");
  }
}

/** Returns text with a character for each byte. */
function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
