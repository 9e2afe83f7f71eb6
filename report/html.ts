/** The page of a report, in one file that needs nothing else. @module */

import { createHash } from "node:crypto";
import { SCRIPT, STYLE } from "./page.generated.ts";

const [SCRIPT_HASH, STYLE_HASH] = [SCRIPT, STYLE].map((text) => {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
});

/** What every report begins with. */
export const REPORT_BEGIN = '<!doctype html>\n<html lang="en" data-tool="taskrunner">\n';

/** Stands for data that come while the page is open. */
export const LIVE = "live";

/** What the page may do: nothing but what it is made of, and as a live page fetch its data from where it comes from. */
export function contentPolicy(isLive: boolean): string {
  return `default-src 'none'; script-src '${SCRIPT_HASH}'; style-src '${STYLE_HASH}'; ` +
    `connect-src ${isLive ? "'self'" : "'none'"}; base-uri 'none'; form-action 'none'`;
}

/**
 * Makes the page.
 *
 * @param data what it shows, as `encodeReport` makes it: its characters mean nothing to HTML. A live page gets it later.
 */
export function reportPage(data: string | typeof LIVE): string {
  return `${REPORT_BEGIN}<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy(data === LIVE)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>taskrunner report</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1 id="name">taskrunner</h1><span id="when" class="faint"></span><button id="theme"></button></header>
<section id="progress" hidden></section>
<div id="summary"></div>
<section><h2>Outcomes</h2><div id="outcomes"></div></section>
<section id="kept" class="faint"></section>
<section>
<div class="head"><h2>Timeline</h2><span id="time-caption" class="faint"></span><button id="all">Whole run</button></div>
<div id="time"></div>
</section>
<div class="pair">
<section><h2>Search</h2><input id="search" type="search" placeholder="A part of a task's id" aria-label="A part of a task's id" autocomplete="off" spellcheck="false"><ul id="found"></ul></section>
<section><h2>Task</h2><dl id="selected"></dl></section>
</div>
<div class="pair">
<section><h2>Duration</h2><div id="durations" class="histogram"></div></section>
<section><h2>CPU time</h2><div id="cpu-times" class="histogram"></div></section>
</div>
<div class="pair">
<section><h2>Slowest</h2><div id="slowest"></div></section>
<section><h2>Most retried</h2><div id="retried"></div></section>
</div>
<section><h2>Not ok</h2><div id="failures"></div></section>
<footer>Made by taskrunner, with Apache ECharts; its licence is in the source of this page. Start, duration and CPU time of a task are those of its last attempt.</footer>
<script id="data" type="application/gzip">${data}</script>
<script type="module">${SCRIPT}</script>
</body>
</html>
`;
}
