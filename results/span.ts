/** Ranges of bytes with text, as a scanner of JSON finds them. @module */

import type { JsonScanner } from "../jsonl/json_scanner.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A range of bytes. */
export interface Span {
  begin: number;
  end: number;
  /** True for text with escapes, which has to be parsed. */
  isEscaped: boolean;
}

/** Returns a new, empty span. */
export function emptySpan(): Span {
  return { begin: 0, end: 0, isEscaped: false };
}

/** Scans a string and stores its range. */
export function spanOfText(json: JsonScanner, span: Span): boolean {
  if (!json.text()) return false;
  span.begin = json.textBegin;
  span.end = json.textEnd;
  span.isEscaped = json.isEscaped;
  return true;
}

/** Returns the text of a span. */
export function textOf(bytes: Uint8Array, { begin, end, isEscaped }: Span): string {
  const text = decoder.decode(bytes.subarray(begin, end));
  return isEscaped ? JSON.parse(`"${text}"`) : text;
}
