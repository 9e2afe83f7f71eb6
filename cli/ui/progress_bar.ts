import type { Progress } from "../../pool/options.ts";

const BAR_COLUMNS = 24;

/**
 * Returns the bar and its text; only the text, cut to the width, where the bar does not fit.
 *
 * @param columns the limit of the width.
 */
export function barLine({ total, finished }: Progress, text: string, columns: number): string {
  const filled = total ? Math.round(BAR_COLUMNS * finished / total) : 0;
  const bar = total === undefined ? "" : "█".repeat(filled).padEnd(BAR_COLUMNS, "░") + " ";
  return (bar.length + text.length <= columns ? bar + text : text).slice(0, Math.max(0, columns));
}
