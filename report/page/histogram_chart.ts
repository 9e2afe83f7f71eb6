import { BarChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { type ECharts, init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { duration, grouped } from "../../internal/format.ts";
import type { Bar } from "../../statistics/log_histogram.ts";
import { chartStyle } from "./chart_style.ts";
import { element } from "./elements.ts";
import { currentTheme } from "./theme.ts";

use([BarChart, CanvasRenderer, GridComponent, TooltipComponent]);

/** How many tasks took how long, by magnitude. */
export class HistogramChart {
  readonly #chart: ECharts;
  #bars: readonly Bar[] = [];

  constructor(box: HTMLElement) {
    this.#chart = init(box, null, { renderer: "canvas" });
    new ResizeObserver(() => this.#chart.resize()).observe(box);
  }

  /** Shows bars, or the same ones later. */
  show(bars: readonly Bar[]): void {
    this.#bars = bars;
    this.draw();
  }

  /** Draws anew, as with other colours. */
  draw(): void {
    const theme = currentTheme();
    const { chart, label, axisLine, splitLine, tooltip } = chartStyle(theme);
    this.#chart.setOption({
      ...chart,
      grid: { left: 56, right: 12, top: 12, bottom: 28 },
      xAxis: {
        type: "category",
        data: this.#bars.map(({ fromMs }) => duration(+fromMs.toPrecision(2))),
        axisLabel: { ...label, hideOverlap: true, align: "left" },
        axisLine,
        axisTick: { alignWithLabel: false },
      },
      yAxis: {
        type: "value",
        splitNumber: 3,
        minInterval: 1,
        axisLabel: { ...label, formatter: (count: number) => grouped(count) },
        splitLine,
      },
      tooltip: {
        ...tooltip,
        formatter: (hovered: unknown) => {
          const { fromMs, toMs, count } = this.#bars[(hovered as { dataIndex: number }).dataIndex]!;
          return element("div", {}, `${grouped(count)} tasks: ${duration(fromMs)} to ${duration(toMs)}`);
        },
      },
      series: [{
        type: "bar",
        data: this.#bars.map(({ count }) => count),
        barCategoryGap: "8%",
        color: theme.accent,
      }],
    }, { notMerge: true });
  }
}
