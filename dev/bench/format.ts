/** Formats figures and tables in Markdown. @module */

import type { Range } from "./verdict.ts";

/** Returns the lines of a table. The first column is aligned to the left, and the others as given. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  alignment: "---" | "---:" = "---:",
): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `| ${head.map((_, index) => index === 0 ? "---" : alignment).join(" | ")} |`, ...rows.map(line)];
}

/** Formats a number as an integer with thousands separators. */
export function whole(value: number | undefined): string {
  return value === undefined ? "" : Math.round(value).toLocaleString("en");
}

/** Formats a median with its range. */
export function withRange({ median, min, max }: Range, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}

/** Returns a count with its noun. */
export function counted(count: number, noun: string): string {
  return `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
}
