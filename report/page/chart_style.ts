import type { Theme } from "./theme.ts";

/** Returns the options that all charts share, in the colors of the theme. */
export function chartStyle({ text, faint, line, surface }: Theme) {
  return {
    chart: { animation: false, textStyle: { fontFamily: "inherit" } },
    label: { color: faint, fontSize: 11 },
    axisLine: { lineStyle: { color: line } },
    splitLine: { lineStyle: { color: line, opacity: 0.5 } },
    tooltip: {
      confine: true,
      backgroundColor: surface,
      borderColor: line,
      textStyle: { color: text, fontSize: 12 },
    },
  };
}
