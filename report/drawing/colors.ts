import type { Outcome } from "../../records/result.ts";
import { OUTCOME_COLORS } from "../outcome_colors.ts";

/** The share of white in the background of a box, on which black text is readable. */
const WHITE = 0.7;

/** Returns the colors of the border and of the background of a task. */
export function colorsOf(outcome: Outcome): { border: string; background: string } {
  const border = OUTCOME_COLORS[outcome];
  const background = border.replace(/[\da-f]{2}/g, (hex) => {
    const mixed = Math.round(WHITE * 255 + (1 - WHITE) * Number.parseInt(hex, 16));
    return mixed.toString(16).padStart(2, "0");
  });
  return { border, background };
}
