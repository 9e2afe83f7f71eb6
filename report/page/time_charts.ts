import { CustomChart, LineChart } from "echarts/charts";
import { DataZoomComponent, GridComponent, TooltipComponent } from "echarts/components";
import { type ECharts, init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { formatCount, formatDuration, formatRate, pluralize } from "../../text/format.ts";
import type { TimeSeries } from "../../results/statistics/time_buckets.ts";
import type { ReportData } from "../data.ts";
import { OUTCOME_COLORS } from "../outcome_colors.ts";
import { truncate } from "../truncate.ts";
import { chartStyle } from "./chart_style.ts";
import { element } from "./elements.ts";
import type { Row } from "./run.ts";
import { currentTheme } from "./theme.ts";
import { type TimelineItem, timelineItems } from "./timeline_items.ts";

use([CanvasRenderer, CustomChart, DataZoomComponent, GridComponent, LineChart, TooltipComponent]);

const [TOP, CHART_HEIGHT, GAP, AXIS_HEIGHT, ZOOM_HEIGHT] = [24, 110, 34, 20, 44];
/** Total height of the lanes, and the minimum and maximum height of each, in pixels. */
const [LANES_HEIGHT, MIN_LANE_HEIGHT, MAX_LANE_HEIGHT] = [380, 3, 22];

/** Maximum number of characters of the name of a resource above its chart. */
const MAX_NAME = 40;

/** The share of a lane's height for failure marks when tasks are not drawn individually. */
const MARK_HEIGHT = 0.3;

/** Maximum number of steps of a line, and minimum average number of tasks and of pixels per step. */
const [STEPS, TASKS_PER_STEP, PIXELS_PER_STEP] = [200, 4, 5];

/** Timeline of the slots, with the number of running tasks, the rate of finished tasks and the use of resources below. */
export class TimeCharts {
  readonly #box: HTMLElement;
  readonly #caption: HTMLElement;
  readonly #chart: ECharts;
  readonly #onSelect: (row: Row) => void;
  #theme = currentTheme();
  #data: ReportData | undefined;
  #rows: readonly Row[] = [];
  #items: TimelineItem[] = [];
  #areTasks = true;
  #selected: Row | undefined;
  /** The visible period, in milliseconds since the start of the run; `undefined` for the whole run. */
  #view: { fromMs: number; toMs: number } | undefined;

  constructor(box: HTMLElement, caption: HTMLElement, onSelect: (row: Row) => void) {
    this.#box = box;
    this.#caption = caption;
    this.#onSelect = onSelect;
    this.#chart = init(box, null, { renderer: "canvas" });
    this.#chart.on("datazoom", () => this.#readZoom());
    this.#chart.on("click", (event) => {
      const row = this.#items[event.dataIndex]?.row;
      if (event.seriesIndex === 0 && row) this.#onSelect(row);
    });
    new ResizeObserver(() => this.#chart.resize()).observe(box);
  }

  /** Shows a run. */
  show(data: ReportData, rows: readonly Row[]): void {
    this.#data = data;
    this.#rows = rows;
    this.draw();
  }

  /** Zooms to a task and highlights it. */
  select(row: Row): void {
    this.#selected = row;
    const marginMs = Math.max(row.endMs - row.startMs, this.#spanMs / 10_000) * 20;
    this.#view = {
      fromMs: Math.max(0, row.startMs - marginMs),
      toMs: Math.min(this.#spanMs, row.endMs + marginMs),
    };
    this.draw();
  }

  /** Shows the whole run. */
  showAll(): void {
    this.#view = undefined;
    this.draw();
  }

  /** Redraws the charts, for instance after a change of theme. */
  draw(): void {
    if (!this.#data) return;
    const lanes = this.#data.lanes.length;
    const laneHeight = Math.max(MIN_LANE_HEIGHT, Math.min(MAX_LANE_HEIGHT, LANES_HEIGHT / lanes));
    const lanesHeight = Math.round(laneHeight * lanes);
    const chartsHeight = this.#charts.length * (GAP + CHART_HEIGHT);
    this.#box.style.height = `${TOP + lanesHeight + chartsHeight + AXIS_HEIGHT + ZOOM_HEIGHT}px`;
    this.#chart.resize();
    this.#chart.setOption(this.#option(lanesHeight), { notMerge: true });
    this.#drawItems();
  }

  /** The names of the charts below the timeline. */
  get #charts(): string[] {
    const resources = this.#data!.workflow.resources.map(({ name }) => `${truncate(name, MAX_NAME)}: units in use`);
    return ["tasks running", "tasks per second", ...resources];
  }

  get #spanMs(): number {
    return Math.max(1e-3, this.#data!.figures.spanMs);
  }

  #readZoom(): void {
    const [{ startValue, endValue }] = (this.#chart.getOption() as {
      dataZoom: [{ startValue: number; endValue: number }];
    }).dataZoom;
    const isAll = startValue <= 0 && endValue >= this.#spanMs;
    this.#view = isAll ? undefined : { fromMs: startValue, toMs: endValue };
    this.#drawItems();
  }

  #drawItems(): void {
    const { fromMs, toMs } = this.#view ?? { fromMs: 0, toMs: this.#spanMs };
    const { items, areTasks } = timelineItems(this.#data!, this.#rows, fromMs, toMs);
    this.#items = items;
    this.#areTasks = areTasks;
    const { lanes, omittedLanes, laneUtilization } = this.#data!;
    this.#caption.replaceChildren(
      areTasks
        ? `${pluralize(items.length, "attempt")}, one bar each${
          laneUtilization ? " (only those stored in this page)" : ""
        }. `
        : "Too many tasks to draw individually: a stronger color means busier, red marks unsuccessful tasks. ",
      omittedLanes > 0 && `First ${formatCount(lanes.length)} of ${formatCount(lanes.length + omittedLanes)} slots. ` ||
        "",
      "Zoom with the slider or Ctrl + mouse wheel.",
    );
    const interval = tickMs(toMs - fromMs, this.#box.clientWidth);
    const axisLabel = { formatter: (ms: number) => timeLabel(ms, interval) };
    this.#chart.setOption({
      xAxis: Array(1 + this.#charts.length).fill({ interval, axisLabel }),
      series: [
        { id: "timeline", data: items.map(({ lane, startMs, endMs }) => [startMs, endMs, lane]) },
        ...this.#lines(fromMs, toMs),
      ],
    });
  }

  #lines(fromMs: number, toMs: number): { id: string; data: [number, number][] }[] {
    const { busy, ended, notOk, startedMs, figures, workflow } = this.#data!;
    const intervalsIn = (series: TimeSeries) => Math.ceil((toMs - fromMs) / series.widthMs);
    // Limit the steps to what is visible, and to a few tasks each: with fewer the line would be noise.
    const tasksPerInterval = figures.results / ended.values.length;
    const maxSteps = Math.min(STEPS, this.#box.clientWidth / PIXELS_PER_STEP);
    const factor = Math.ceil(Math.max(intervalsIn(ended) / maxSteps, TASKS_PER_STEP / tasksPerInterval));
    const mean = (series: TimeSeries, unitMs: number, merged = factor) =>
      stepsOf(series, merged, startedMs, this.#spanMs).map(({ beginMs, endMs, sum }): [number, number] => {
        return [beginMs, sum * unitMs / Math.max(1e-3, endMs - beginMs)];
      });
    const ok = { ...ended, values: ended.values.map((count, index) => count - notOk.values[index]!) };
    return [
      { id: "running", data: mean(busy, 1) },
      { id: "ok", data: mean(ok, 1000) },
      { id: "not ok", data: mean(notOk, 1000) },
      ...workflow.resources.map(({ series }, index) => ({
        id: `resource ${index}`,
        data: mean(series, 1, Math.max(1, Math.ceil(intervalsIn(series) / maxSteps))),
      })),
    ];
  }

  #option(lanesHeight: number): Parameters<ECharts["setOption"]>[0] {
    const theme = this.#theme = currentTheme();
    const { lanes } = this.#data!;
    const isNarrow = this.#box.clientWidth < 600;
    const [left, right] = [isNarrow ? 44 : 110, 16];
    const charts = this.#charts;
    const chartTop = (index: number) => TOP + lanesHeight + GAP + index * (CHART_HEIGHT + GAP);
    const xAxisIndex = [0, ...charts.map((_, index) => index + 1)];
    const { chart, label, axisLine, splitLine, tooltip } = chartStyle(theme);
    const timeAxis = (gridIndex: number, hasLabels: boolean) => ({
      gridIndex,
      type: "value" as const,
      min: 0,
      max: this.#spanMs,
      axisLabel: { ...label, show: hasLabels, hideOverlap: true },
      axisLine,
      axisTick: { show: hasLabels },
      splitLine,
      axisPointer: { show: true, label: { show: false }, snap: false },
    });
    const countAxis = (gridIndex: number, name: string, minInterval: number) => ({
      gridIndex,
      type: "value" as const,
      name,
      nameLocation: "end" as const,
      nameTextStyle: { ...label, align: "left" as const, padding: [0, 0, 0, isNarrow ? -36 : -100] },
      nameGap: 8,
      min: 0,
      minInterval,
      splitNumber: 3,
      axisLabel: { ...label, formatter: (count: number) => formatRate(count).replace(/\.0$/, "") },
      splitLine,
    });
    const area = (id: string, index: number, lineWidth: number, opacity: number) => ({
      id,
      name: id,
      type: "line" as const,
      xAxisIndex: index,
      yAxisIndex: index,
      symbol: "none",
      step: "end" as const,
      lineStyle: { width: lineWidth },
      areaStyle: { opacity },
      data: [],
    });
    return {
      ...chart,
      grid: [
        { left, right, top: TOP, height: lanesHeight },
        ...charts.map((_, index) => ({ left, right, top: chartTop(index), height: CHART_HEIGHT })),
      ],
      xAxis: xAxisIndex.map((index) => timeAxis(index, index === charts.length)),
      yAxis: [
        {
          type: "category",
          inverse: true,
          data: lanes,
          axisLabel: {
            ...label,
            formatter: (name: string) => isNarrow ? name.replace(/.*slot /, "") : name.slice(-18),
          },
          axisTick: { show: false },
          axisLine: { show: false },
        },
        ...charts.map((name, index) => countAxis(index + 1, name, name === "tasks per second" ? 0 : 1)),
      ],
      dataZoom: [
        {
          type: "slider",
          xAxisIndex,
          bottom: 8,
          height: 18,
          left,
          right,
          showDetail: false,
          brushSelect: false,
          borderColor: theme.line,
          filterMode: "none",
          throttle: 50,
          ...this.#zoom,
        },
        {
          type: "inside",
          xAxisIndex,
          filterMode: "none",
          throttle: 50,
          // Without Ctrl the wheel scrolls the page.
          zoomOnMouseWheel: "ctrl",
          ...this.#zoom,
        },
      ],
      tooltip: {
        ...tooltip,
        formatter: (hovered: unknown) => this.#tooltip(hovered as { seriesId: string; dataIndex: number }),
      },
      series: [
        {
          id: "timeline",
          type: "custom",
          xAxisIndex: 0,
          yAxisIndex: 0,
          clip: true,
          encode: { x: [0, 1], y: 2 },
          renderItem: this.#renderItem,
          data: [],
        },
        { ...area("running", 1, 1, 0.25), color: theme.accent },
        { ...area("ok", 2, 0, 0.8), stack: "ended", color: OUTCOME_COLORS.ok },
        { ...area("not ok", 2, 0, 0.9), stack: "ended", color: OUTCOME_COLORS.failed },
        ...charts.slice(2).map((_, index) => ({
          ...area(`resource ${index}`, index + 3, 1, 0.25),
          color: theme.accent,
        })),
      ],
    };
  }

  get #zoom(): { startValue: number; endValue: number } {
    const { fromMs, toMs } = this.#view ?? { fromMs: 0, toMs: this.#spanMs };
    return { startValue: fromMs, endValue: toMs };
  }

  readonly #renderItem = (
    { dataIndex, coordSys }: { dataIndex: number; coordSys: unknown },
    api: { coord: (point: [number, number]) => number[]; size?: (size: [number, number]) => number | number[] },
  ) => {
    const item = this.#items[dataIndex]!;
    const [left, middle] = api.coord([item.startMs, item.lane]) as [number, number];
    const [right] = api.coord([item.endMs, item.lane]) as [number];
    const height = (api.size!([0, 1]) as [number, number])[1];
    const grid = coordSys as { x: number; width: number };
    const gap = height > 8 ? 2 : height > 4 ? 1 : 0;
    const x = Math.max(left, grid.x);
    const width = Math.min(right, grid.x + grid.width) - x;
    const isSelected = item.row !== undefined && item.row.id === this.#selected?.id &&
      item.row.startMs === this.#selected.startMs;
    return {
      type: "rect" as const,
      z2: isSelected ? 1 : 0,
      shape: item.isMark
        ? {
          x,
          y: middle + height * (0.5 - MARK_HEIGHT),
          width: Math.max(width, 1),
          height: height * MARK_HEIGHT - gap / 2,
        }
        : { x, y: middle - height / 2 + gap / 2, width: Math.max(width, 1), height: height - gap },
      style: {
        fill: item.color,
        opacity: item.opacity,
        ...isSelected && { stroke: this.#theme.text, lineWidth: 2 },
        // A border separates neighboring tasks.
        ...!isSelected && this.#areTasks && width > 4 && { stroke: this.#theme.surface, lineWidth: 0.5 },
      },
    };
  };

  #tooltip({ seriesId, dataIndex }: { seriesId: string; dataIndex: number }): HTMLElement | string {
    const item = this.#items[dataIndex];
    if (seriesId !== "timeline" || !item) return "";
    const lane = this.#data!.lanes[item.lane]!;
    const at = `${lane}, ${formatDuration(item.startMs)} into the run`;
    if (!item.row) return element("div", {}, at);
    const { id, outcome, startMs, endMs, attempts, isEarlier } = item.row;
    const count = isEarlier ? `attempt ${formatCount(attempts)}` : attempts > 1 && pluralize(attempts, "attempt");
    return element(
      "div",
      { className: "tooltip" },
      element("strong", {}, id),
      element(
        "div",
        {},
        [outcome, formatDuration(endMs - startMs), count].filter(Boolean).join(", "),
      ),
      element("div", {}, at),
    );
  }
}

/** Round times for the ticks of an axis, in milliseconds. */
const ROUND_TIMES = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
  [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200].map((seconds) =>
    seconds * 1000
  ),
);
const PIXELS_PER_TICK = 110;
const DAY_MS = 86_400_000;

/** Returns the interval between the ticks of an axis. */
function tickMs(spanMs: number, pixels: number): number {
  const minMs = spanMs / Math.max(1, pixels / PIXELS_PER_TICK);
  return ROUND_TIMES.find((ms) => ms >= minMs) ?? Math.ceil(minMs / DAY_MS) * DAY_MS;
}

function timeLabel(ms: number, tickMs: number): string {
  if (ms < 1000 || tickMs >= 1000) return formatDuration(ms);
  return `${formatDuration(Math.floor(ms / 1000) * 1000)} + ${Math.round(ms % 1000)} ms`;
}

/** A step of a line, in milliseconds since the start of the run. */
interface Step {
  beginMs: number;
  endMs: number;
  sum: number;
}

/**
 * Merges `factor` intervals into each step. A last step shorter than half of the others is merged with the previous
 * one, because a single task in it would show as a peak.
 */
function stepsOf(
  { fromMs, widthMs, values }: TimeSeries,
  factor: number,
  startedMs: number,
  spanMs: number,
): Step[] {
  const steps: Step[] = [];
  for (let index = 0; index < values.length; index += factor) {
    const beginMs = Math.max(0, fromMs + index * widthMs - startedMs);
    const endMs = Math.min(spanMs, fromMs + (index + factor) * widthMs - startedMs);
    const sum = values.slice(index, index + factor).reduce((sum, value) => sum + value, 0);
    const last = steps.at(-1);
    if (!last || endMs - beginMs >= widthMs * factor / 2) steps.push({ beginMs, endMs, sum });
    else Object.assign(last, { endMs, sum: last.sum + sum });
  }
  return [...steps, { beginMs: spanMs, endMs: spanMs, sum: 0 }];
}
