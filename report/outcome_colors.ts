import type { Outcome } from "../records/result.ts";

/** The color of each outcome. The colors are distinguishable on light and dark backgrounds. */
export const OUTCOME_COLORS = {
  "ok": "#2f9e6e",
  "failed": "#dc4c4c",
  "killed": "#a35ad6",
  "timeout": "#cf8012",
  "canceled": "#8b95a1",
  "not-started": "#b56b45",
  "output-limit": "#3b8fd4",
  "skipped": "#8a8f3c",
} as const satisfies Record<Outcome, string>;
