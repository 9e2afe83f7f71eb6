/** Generates the page of a report, a single self-contained HTML file. @module */

import { createHash } from "node:crypto";
import { pluralize } from "../text/format.ts";
import type { ReportOverview } from "./data.ts";
import { OUTCOME_COLORS } from "./outcome_colors.ts";
import { outcomesOf, periodOf, tilesOf } from "./overview.ts";
import { SCRIPT, STYLE } from "./page.generated.ts";

const COLORS = Object.entries(OUTCOME_COLORS).map(([outcome, color]) =>
  `[data-color="${outcome}"] { background: ${color}; }`
);
const ALL_STYLE = `${STYLE}\n${COLORS.join("\n")}`;

const [SCRIPT_HASH, STYLE_HASH] = [SCRIPT, ALL_STYLE].map((text) => {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
});

/** The beginning of every report, by which an existing report is recognized before it is overwritten. */
export const REPORT_BEGIN = '<!doctype html>\n<html lang="en" data-tool="taskrunner">\n';

/**
 * Returns the content security policy of the page. It allows only the page's own script and style, and in a live page
 * requests to its own server.
 */
export function contentPolicy(isLive: boolean): string {
  return `default-src 'none'; script-src '${SCRIPT_HASH}'; style-src '${STYLE_HASH}'; ` +
    `connect-src ${isLive ? "'self'" : "'none'"}; base-uri 'none'; form-action 'none'`;
}

/**
 * Returns the page of a report. The overview is plain HTML, readable without JavaScript and before the rest of the data
 * is unpacked.
 *
 * @param data The text from `encodeReport`, which needs no escaping in HTML.
 */
export function reportPage(overview: ReportOverview, data: string): string {
  const { name, figures } = overview;
  const tiles = tilesOf(overview).map(({ name, value, detail }) =>
    `<div class="tile" data-figure="${name}"><div class="faint">${name}</div>` +
    `<div class="value">${escapeHtml(value)}</div><div class="faint">${escapeHtml(detail)}</div></div>`
  );
  const outcomes = outcomesOf(figures).map(({ outcome, count, share }) =>
    `<span class="count" data-outcome="${outcome}"><span class="outcome"><span class="dot" data-color="${outcome}"></span>${outcome}</span>` +
    `<strong>${count}</strong><span class="faint">${escapeHtml(share)}</span></span>`
  );
  return page({
    isLive: false,
    name: escapeHtml(name),
    period: periodOf(figures),
    state: `Loading the details of ${pluralize(figures.results, "result")}…`,
    tiles: tiles.join(""),
    outcomes: `<div class="bar"></div><div class="legend">${outcomes.join("")}</div>`,
    data,
  });
}

/** Returns the live page of a run in progress; the server sends the data. */
export function livePage(): string {
  return page({
    isLive: true,
    name: "taskrunner",
    period: "",
    state: "Connecting…",
    tiles: "",
    outcomes: "",
    data: "live",
  });
}

/** The variable parts of the page, as HTML. */
interface Parts {
  isLive: boolean;
  name: string;
  period: string;
  /** A status message. */
  state: string;
  tiles: string;
  outcomes: string;
  data: string;
}

function page({ isLive, name, period, state, tiles, outcomes, data }: Parts): string {
  const details = isLive ? "a live page" : "the timeline, the charts, the lists and the search";
  return `${REPORT_BEGIN}<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy(isLive)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${name} – taskrunner report</title>
<style>${ALL_STYLE}</style>
</head>
<body>
<header><h1 id="name">${name}</h1><span id="when" class="faint">${period}</span><button id="theme" hidden></button></header>
<section id="progress" hidden><progress max="1" aria-label="Finished tasks"></progress><div></div></section>
<p id="state" role="status">${state}</p>
<noscript><p class="message">JavaScript is disabled in this browser, and is needed for ${details}.</p></noscript>
<div id="summary">${tiles}</div>
<section id="outcomes-section"${isLive ? " hidden" : ""}><h2>Outcomes</h2><div id="outcomes">${outcomes}</div></section>
<main id="details" hidden>
<section id="kept" class="faint"></section>
<section id="failures-section">
<div class="head"><h2>Unsuccessful tasks</h2><span id="failures-caption" class="faint"></span></div>
<div id="failures"></div>
</section>
<section id="skipped-section" hidden>
<div class="head"><h2>Skipped tasks</h2><span id="skipped-caption" class="faint"></span></div>
<div id="skipped"></div>
</section>
<section>
<div class="head"><h2>Timeline</h2><span id="time-caption" class="faint"></span><button id="all">Whole run</button></div>
<div id="time" role="img" aria-label="Timeline of the slots, tasks running, tasks per second and resources in use"></div>
</section>
<section id="path-section" hidden>
<div class="head"><h2>Critical path</h2><span id="path-caption" class="faint"></span></div>
<div id="path"></div>
</section>
<section id="resources-section" hidden>
<div class="head"><h2>Resources</h2><span id="resources-caption" class="faint"></span></div>
<div id="resources"></div>
</section>
<div class="pair">
<section><h2>Search</h2><input id="search" type="search" placeholder="Part of a task id" aria-label="Part of a task id" autocomplete="off" spellcheck="false"><ul id="found"></ul></section>
<section><h2>Task</h2><dl id="selected"></dl></section>
</div>
<div class="pair">
<section><h2>Duration</h2><div id="durations" class="histogram" role="img" aria-label="Histogram of durations"></div></section>
<section>
<div class="head"><h2>CPU time</h2><span id="cpu-caption" class="faint"></span></div>
<div id="cpu-times" class="histogram" role="img" aria-label="Histogram of CPU times"></div>
</section>
</div>
<div class="pair">
<section><h2>Slowest</h2><div id="slowest"></div></section>
<section><h2>Most retried</h2><div id="retried"></div></section>
</div>
</main>
<footer>Generated by taskrunner with Apache ECharts, whose license is in the source of this page. The start, duration and CPU time of a task are those of its last attempt.</footer>
<script id="data" type="application/gzip">${data}</script>
<script type="module">${SCRIPT}</script>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => entities[character]!);
}
