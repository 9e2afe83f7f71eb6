import { BarChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { type ECharts, init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { formatCount, formatDuration, pluralize } from "../../text/format.ts";
import type { Bar } from "../../results/statistics/log_histogram.ts";
import { chartStyle } from "./chart_style.ts";
import { element } from "./elements.ts";
import { currentTheme } from "./theme.ts";

use([BarChart, CanvasRenderer, GridComponent, TooltipComponent]);

/** Histogram of tasks over a logarithmic time axis. */
export class HistogramChart {
  readonly #chart: ECharts;
  #bars: readonly Bar[] = [];

  constructor(box: HTMLElement) {
    this.#chart = init(box, null, { renderer: "canvas" });
    new ResizeObserver(() => this.#chart.resize()).observe(box);
  }

  /** Shows bars. */
  show(bars: readonly Bar[]): void {
    this.#bars = bars;
    this.draw();
  }

  /** Redraws the chart, for instance after a change of theme. */
  draw(): void {
    const theme = currentTheme();
    const { chart, label, axisLine, splitLine, tooltip } = chartStyle(theme);
    this.#chart.resize();
    this.#chart.setOption({
      ...chart,
      grid: { left: 56, right: 12, top: 12, bottom: 28 },
      xAxis: {
        type: "category",
        data: this.#bars.map(rangeOf),
        axisLabel: { ...label, hideOverlap: true },
        axisLine,
      },
      yAxis: {
        type: "value",
        splitNumber: 3,
        minInterval: 1,
        axisLabel: { ...label, formatter: (count: number) => formatCount(count) },
        splitLine,
      },
      tooltip: {
        ...tooltip,
        formatter: (hovered: unknown) => {
          const bar = this.#bars[(hovered as { dataIndex: number }).dataIndex]!;
          return element("div", {}, `${rangeOf(bar)}: ${pluralize(bar.count, "task")}`);
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

/** Formats the range of a bar, as `under 10 ms`, `10–20 ms` or `900 ms–1.1 s`. */
function rangeOf({ fromMs, toMs }: Bar): string {
  const [from, to] = [fromMs, toMs].map((ms) => formatDuration(+ms.toPrecision(2)));
  if (fromMs === 0) return `under ${to}`;
  const unit = / .*/.exec(to!)?.[0] ?? "";
  return `${unit !== "" && from!.endsWith(unit) ? from!.slice(0, -unit.length) : from}–${to}`;
}
