/** Draws grids of small charts with a common legend. @module */

import * as echarts from "echarts";

/** One chart of the grid. */
export interface Panel {
  title: string;
  xAxis: echarts.XAXisComponentOption;
  yAxis: echarts.YAXisComponentOption;
  /** The data of each line, in the order of the legend. */
  lines: readonly (readonly unknown[])[];
}

/** Options of all charts. */
export interface PanelsOptions {
  title: string;
  legend: readonly string[];
  colors: readonly string[];
  /** Style of the lines. */
  line: Partial<echarts.LineSeriesOption>;
  width: number;
  height: number;
}

/** Draws rows of charts as one SVG, with a white background so that it is readable on dark pages as well. */
export function drawPanels(rows: readonly (readonly Panel[])[], options: PanelsOptions): string {
  const { title, legend, colors, line, width, height } = options;
  const [left, top] = [65, 90];
  const [panelWidth, panelHeight] = [(width - left) / rows[0]!.length, (height - top) / rows.length];
  const [plotWidth, plotHeight] = [panelWidth - 65, panelHeight - 70];
  const panels = rows.flatMap((row, y) =>
    row.map((panel, x) => ({ ...panel, left: left + x * panelWidth, top: top + y * panelHeight }))
  );
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: "#fff",
    color: [...colors],
    title: [
      { text: title, left: "center", top: 8 },
      ...panels.map(({ title, left, top }) => ({
        text: title,
        left: left + plotWidth / 2,
        top: top - 24,
        textAlign: "center" as const,
        textStyle: { fontSize: 13, fontWeight: "normal" as const },
      })),
    ],
    legend: { data: [...legend], top: 36, itemGap: 40 },
    grid: panels.map(({ left, top }) => ({ left, top, width: plotWidth, height: plotHeight })),
    xAxis: panels.map(({ xAxis }, gridIndex) => ({ gridIndex, ...xAxis } as echarts.XAXisComponentOption)),
    yAxis: panels.map(({ yAxis }, gridIndex) => ({ gridIndex, ...yAxis } as echarts.YAXisComponentOption)),
    series: panels.flatMap(({ lines }, index) =>
      lines.map((data, number) => ({
        name: legend[number]!,
        type: "line" as const,
        xAxisIndex: index,
        yAxisIndex: index,
        ...line,
        data: [...data],
      } as echarts.LineSeriesOption))
    ),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
