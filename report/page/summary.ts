import type { ReportData } from "../data.ts";
import { outcomesOf, type Tile, tilesOf } from "../overview.ts";
import { element } from "./elements.ts";
import { outcomeLabel } from "./tables.ts";

/** Creates the figures at the top of the page, as in the HTML of a saved report. */
export function summary(data: ReportData): HTMLElement[] {
  return tilesOf(data).map(tile);
}

/** Creates the bar of outcomes and its legend. */
export function outcomes({ figures }: ReportData): HTMLElement[] {
  const bar = element("div", { className: "bar" });
  const legend = element("div", { className: "legend" });
  for (const { outcome, count, share } of outcomesOf(figures)) {
    const part = element("span", { title: `${count} ${outcome}` });
    part.dataset["color"] = outcome;
    part.style.flexGrow = `${figures.outcomes[outcome]}`;
    bar.append(part);
    const entry = element(
      "span",
      { className: "count" },
      outcomeLabel(outcome),
      element("strong", {}, count),
      element("span", { className: "faint" }, share),
    );
    entry.dataset["outcome"] = outcome;
    legend.append(entry);
  }
  return [bar, legend];
}

function tile({ name, value, detail }: Tile): HTMLElement {
  const created = element(
    "div",
    { className: "tile" },
    element("div", { className: "faint" }, name),
    element("div", { className: "value" }, value),
    element("div", { className: "faint" }, detail),
  );
  created.dataset["figure"] = name;
  return created;
}
