/** Limit of the length of a line whose width is computed. */
export const MAX_LINE_BYTES = 4_096;

/** A control sequence for color, which has no width, or a character. */
// deno-lint-ignore no-control-regex -- matching control characters is the purpose
const PARTS = /\x1b\[[\d;:]*m|[^]/gu;

/** Characters that all terminals draw one column wide: ASCII, Latin, Greek, Cyrillic, Armenian. */
const NARROW = /^[\x20-\x7e\xa0-\xac\xae-\u02ff\u0370-\u0482\u048a-\u058f]$/u;

const TAB_COLUMNS = 8;

/**
 * Returns the column of the cursor after a line of output, from 0 to `columns`. In the column `columns`, the line is full, and
 * the next character begins another. Returns `undefined` if terminals differ in the width of the line, or if it is longer
 * than {@linkcode MAX_LINE_BYTES}.
 *
 * @param line the output since the last newline.
 */
export function columnAfter(line: Uint8Array, columns: number): number | undefined {
  if (line.length > MAX_LINE_BYTES) return undefined;
  let column = 0;
  for (const [part] of new TextDecoder().decode(line).matchAll(PARTS)) {
    if (part.length > 1) continue;
    if (part === "\r") column = 0;
    else if (part === "\t") column = Math.min(columns - 1, column - column % TAB_COLUMNS + TAB_COLUMNS);
    else if (NARROW.test(part)) column = column >= columns ? 1 : column + 1;
    else return undefined;
  }
  return column;
}
