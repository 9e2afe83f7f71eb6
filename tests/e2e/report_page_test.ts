import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import type { Page } from "playwright-core";
import type { EarlierAttempt, TaskResult } from "../../mod.ts";
import { ReportCollector } from "../../report/collector.ts";
import { OUTCOMES } from "../../records/result.ts";
import { factsOf } from "../../results/statistics/results_reader.ts";
import { pageModule } from "../../dev/tools/page.ts";
import { computedColors, contrastOf, IN_BROWSER, waitForResults, withPage } from "../support/browser.ts";
import {
  jsonLines,
  mixedTasks,
  parseResults,
  PROJECT,
  resultAt,
  resultWith,
  taskFile,
  taskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { quoteAlways } from "../../text/shell_quote.ts";
import { test } from "../support/test.ts";

/** Generates a report of results in a directory and returns its path. */
async function reportOf(directory: string, results: readonly TaskResult[], name = "results.jsonl"): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, jsonLines(results));
  const report = join(directory, "report.html");
  const { status, stderr } = await taskrunner(["report", path, "-o", report]);
  assertEquals([status, stderr], [0, ""]);
  return report;
}

/** Returns the text of an element with collapsed whitespace. */
async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).innerText()).replace(/\s+/g, " ");
}

/** The version of Bun that generates the page; other versions generate another bundle. */
const [, BUNDLER_VERSION] = /-p bun@([\d.]+)/.exec(await readFile(join(PROJECT, "CONTRIBUTING.md"), "utf8"))!;
if (process.versions["bun"] === BUNDLER_VERSION) {
  test("report/page.generated.ts is up to date with report/page (run 'deno task page')", async () => {
    const generated = await readFile(join(PROJECT, "report", "page.generated.ts"), "utf8");
    assert(generated === await pageModule(), "report/page.generated.ts is out of date");
  });
}

test("a report shows the figures of its results and finds tasks", IN_BROWSER, async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, mixedTasks(80));
    const path = join(directory, "night.jsonl");
    await taskrunner([tasks, "-o", path, "-j4", "--retries", "1"]);
    const results = parseResults(await readFile(path, "utf8"));
    const report = await reportOf(directory, results, "night.jsonl");
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 80);
      assertEquals(await textOf(page, "#name"), "night.jsonl");
      const attempts = results.reduce((sum, { attempts }) => sum + attempts, 0);
      const retried = results.filter(({ attempts }) => attempts > 1).length;
      assertEquals(
        await textOf(page, '[data-figure="results"]'),
        `results 80 ${attempts} attempts, ${retried} tasks retried`,
      );
      for (const outcome of new Set(results.map(({ outcome }) => outcome))) {
        const count = results.filter((result) => result.outcome === outcome).length;
        assertMatch(await textOf(page, `[data-outcome="${outcome}"]`), new RegExp(`^${outcome} ${count} [\\d.]+ %$`));
      }
      assertEquals(
        await textOf(page, "#time-caption"),
        `${attempts} attempts, one bar each. Zoom with the slider or Ctrl + mouse wheel.`,
      );
      assertEquals(await page.locator("#slowest tbody tr").count(), 50);
      const slowest = results.toSorted((one, other) => other.durationMs - one.durationMs)[0]!;
      assertEquals(await page.locator("#slowest tbody .id").first().innerText(), slowest.id);
      assertEquals(await page.locator("#retried tbody tr").count(), retried);
      assertEquals(
        await page.locator("#failures details").count(),
        results.filter(({ outcome }) => outcome !== "ok").length,
      );

      // A failed task shows its standard error.
      const failed = page.locator("#failures details").filter({ has: page.getByText("task 4", { exact: true }) });
      assertEquals(await failed.locator("pre").innerText(), "task 4 is not right\n");

      // The search finds a task and zooms the timeline to it.
      await page.fill("#search", "TASK 7");
      assertEquals(await page.locator("#found .id").count(), 11); // 7, and 70 to 79
      // The shortest task, as the zoom to a long one would show the whole run.
      const { id, slot, durationMs } = results
        .filter(({ id, outcome, attempts }) => outcome === "ok" && attempts === 1 && /\d\d$/.test(id))
        .reduce((quickest, result) => result.durationMs < quickest.durationMs ? result : quickest);
      await page.fill("#search", id);
      await page.click("#found .id");
      const chosen = await textOf(page, "#selected");
      assertStringIncludes(chosen, `task ${id} outcome ok status 0 slot slot ${slot} `);
      // The report stores three digits and shows two, or whole milliseconds.
      const shownMs = Number(/ duration ([\d.]+) ms /.exec(chosen)![1]);
      assert(Math.abs(shownMs - durationMs) <= (durationMs < 9.8 ? 0.15 : 1), `${shownMs} is not ${durationMs}`);
      const visible = async () => Number(/^(\d+) attempts?,/.exec(await textOf(page, "#time-caption"))![1]);
      const zoomed = await visible();
      assert(zoomed >= 1 && zoomed < attempts, `${zoomed} attempts are visible`);
      await page.click("#all");
      assertEquals(await visible(), attempts);

      // The wheel zooms, and a click on an id in a list selects the task.
      await page.locator("#time").scrollIntoViewIfNeeded();
      const { x, y, width } = (await page.locator("#time canvas").boundingBox())!;
      await page.mouse.move(x + width / 2, y + 60);
      await page.keyboard.down("Control");
      for (let turns = 0; turns < 5; turns++) await page.mouse.wheel(0, -400);
      await waitFor("the zoom", async () => await visible() < attempts);
      await page.keyboard.up("Control");
      await page.locator("#retried .id").first().click();
      assertStringIncludes(
        await textOf(page, "#selected"),
        `task ${await page.locator("#retried .id").first().innerText()} `,
      );

      const background = () =>
        page.evaluate(() => {
          const { document, getComputedStyle } = globalThis as unknown as {
            document: { body: object };
            getComputedStyle(element: object): { backgroundColor: string };
          };
          return getComputedStyle(document.body).backgroundColor;
        });
      const light = await background();
      await page.click("#theme");
      assert(await background() !== light, "the button switches to the dark theme");
    });
  });
});

test("a report shows HTML and scripts in results as text", IN_BROWSER, async () => {
  const hostile = `</script><script>globalThis.wasRun=1</script><img src=x onerror="globalThis.wasRun=1">'"&lt;\u2028`;
  await withTempDirectory(async (directory) => {
    const result = resultWith({
      id: hostile,
      stdout: hostile,
      stderr: hostile,
      cmd: ["echo", hostile],
      outcome: "failed",
      status: 1,
      error: hostile,
      attempts: 2,
      worker: { host: hostile, pid: 1 },
      meta: hostile,
    });
    const report = await reportOf(directory, [result], `<img src=x onerror="globalThis.wasRun=1">.jsonl`);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 1);
      assertStringIncludes(await page.title(), `<img src=x onerror="globalThis.wasRun=1">.jsonl – `);
      const texts = await page.locator("#failures pre").allTextContents();
      assertEquals(texts, [`echo ${quoteAlways(hostile)}`, hostile]);
      for (const list of ["#failures", "#slowest", "#retried"]) {
        assertEquals(await page.locator(`${list} .id`).textContent(), hostile);
      }
      await page.fill("#search", "onerror");
      await page.click("#found .id");
      assertStringIncludes((await page.locator("#selected").textContent())!, hostile);
      // ECharts renders tooltips as HTML.
      await page.locator("#time").scrollIntoViewIfNeeded();
      const { x, y, width } = (await page.locator("#time canvas").boundingBox())!;
      await page.mouse.move(x + width / 2, y + 36);
      await page.locator(".tooltip").waitFor();
      assertStringIncludes((await page.locator(".tooltip").textContent())!, hostile);
      assertEquals(await page.locator("img").count(), 0);
      assertEquals(await page.evaluate(() => (globalThis as { wasRun?: number }).wasRun), undefined);
    });
  });
});

test("a report of 170,000 results stays below 2 MB and states what it omits", IN_BROWSER, async () => {
  const runStartedMs = Date.parse("2026-11-23T20:00:00Z");
  const results = Array.from({ length: 170_000 }, (_, index) =>
    resultWith({
      id: crypto.randomUUID(), // incompressible
      slot: index % 16 + 1,
      startedAt: new Date(runStartedMs + Math.floor(index / 16) * 10).toISOString(),
      durationMs: 5 + Math.random() * 5,
      ...index % 1000 === 999 && { outcome: "failed", status: 3, stderr: "no such volume\n" },
    }));
  await withTempDirectory(async (directory) => {
    const report = await reportOf(directory, results);
    const { size } = await stat(report);
    assert(size < 2_000_000, `${size} bytes`);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 170_000);
      assertStringIncludes(await textOf(page, '[data-figure="results"]'), "170,000");
      assertStringIncludes(await textOf(page, '[data-outcome="failed"]'), "170 ");
      assertMatch(
        await textOf(page, "#kept"),
        /^Figures, charts and lists cover all 170,000 results\..*every \w+ result/,
      );
      assertEquals(
        await textOf(page, "#failures-caption"),
        "The first 100 of 170; all of them are in the results file.",
      );
      assertMatch(await textOf(page, "#time-caption"), /^Too many tasks to draw individually/);
      await page.fill("#search", results[0]!.id);
      await page.click("#found .id");
      assertMatch(
        await textOf(page, "#time-caption"),
        /^\d+ attempts, one bar each \(only those stored in this page\)/,
      );
    });
  });
});

/** Script that delays the data of a report until the test calls `unpack()`. */
const HOLD_DATA = `{
  const Real = DecompressionStream;
  const { promise, resolve } = Promise.withResolvers();
  globalThis.unpack = resolve;
  globalThis.DecompressionStream = class {
    constructor(format) {
      globalThis.isHeld = true;
      const { readable, writable } = new Real(format);
      const held = new TransformStream({ start: () => promise });
      return { readable: readable.pipeThrough(held), writable };
    }
  };
}`;

test("a report shows its overview and a loading message before its data is unpacked", IN_BROWSER, async () => {
  const results = Array.from(
    { length: 2_000 },
    (_, index) =>
      resultWith({ id: `${index}`, durationMs: 10, ...index % 100 === 9 && { outcome: "failed", status: 1 } }),
  );
  await withTempDirectory(async (directory) => {
    const report = await reportOf(directory, results, "a & b <c>.jsonl");
    const assertOverview = async (page: Page) => {
      assertEquals(await textOf(page, "#name"), "a & b <c>.jsonl");
      assertEquals(await textOf(page, "#when"), "2026-01-02 03:04:05 to 2026-01-02 03:04:05 UTC");
      assertEquals(await textOf(page, '[data-figure="results"]'), "results 2,000 2,000 attempts, 0 tasks retried");
      assertMatch(
        await textOf(page, '[data-figure="median duration"]'),
        /^median duration 10 ms 99th percentile 10 ms$/,
      );
      assertEquals(await textOf(page, '[data-outcome="failed"]'), "failed 20 1 %");
    };
    await withPage(pathToFileURL(report).href, async (page) => {
      await page.waitForFunction("globalThis.isHeld");
      await assertOverview(page);
      assertEquals(await page.getByRole("status").innerText(), "Loading the details of 2,000 results…");
      assertEquals(await page.locator("h2:visible").allInnerTexts(), ["Outcomes"], "no empty sections");
      const overview = await page.locator("#summary").innerHTML();
      await page.evaluate("unpack()");
      await waitForResults(page, 2_000);
      await page.locator("#state").waitFor({ state: "hidden" });
      assertEquals(await page.locator("#summary").innerHTML(), overview);
      await assertOverview(page);
    }, { script: HOLD_DATA });

    await withPage(pathToFileURL(report).href, async (page) => {
      await assertOverview(page);
      assertMatch(
        await textOf(page, "noscript"),
        /^JavaScript is disabled in this browser, and is needed for the timeline/,
      );
      assertEquals(await page.locator("h2:visible").allInnerTexts(), ["Outcomes"]);
      assertEquals(await page.locator("#state, button").filter({ visible: true }).count(), 0);
    }, { javaScriptEnabled: false });

    // A truncated download.
    const html = await readFile(report, "utf8");
    await writeFile(report, html.replace(/(?<=<script id="data" type="application\/gzip">.{1000})[^<]*/, ""));
    await withPage(pathToFileURL(report).href, async (page) => {
      await page.getByText("Cannot show the details of this report: ").waitFor();
      await assertOverview(page);
    }, { expected: /TypeError/ });
  });
});

test("a report shows unsuccessful tasks without scrolling, canceled tasks last", IN_BROWSER, async () => {
  const canceled = Array.from(
    { length: 300 },
    (_, index) => resultWith({ id: `canceled ${index}`, outcome: "canceled", status: null }),
  );
  const failed = Array.from({ length: 60 }, (_, index) => {
    const lines = Array.from({ length: 50 }, (_, line) => `line ${line} of ${index}\n`).join("");
    return resultWith({ id: `failed ${index}`, outcome: "failed", status: 1, stderr: lines, error: "x".repeat(400) });
  });
  await withTempDirectory(async (directory) => {
    const report = await reportOf(directory, [...canceled, ...failed]);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 360);
      assertEquals(
        await textOf(page, "#failures-caption"),
        "The first 100 of 360; all of them are in the results file.",
      );
      const ids = await page.locator("#failures .id").allInnerTexts();
      assertEquals([ids.length, ids[0], ids[59], ids[60]], [100, "failed 0", "failed 59", "canceled 0"]);
      const open = await page.locator("#failures details[open]").count();
      assertEquals(open, 60, "entries with an error or output");
      // The first screen shows the end of standard error, not its beginning.
      const [begin, end, top, bottom] = await page.evaluate(`(() => {
        const pre = document.querySelector("#failures pre");
        const range = document.createRange();
        const yOf = (text) => {
          const begin = pre.firstChild.data.indexOf(text);
          range.setStart(pre.firstChild, begin);
          range.setEnd(pre.firstChild, begin + text.length);
          return range.getBoundingClientRect().y;
        };
        const { top, bottom } = pre.getBoundingClientRect();
        return [yOf("line 0 of 0"), yOf("line 49 of 0"), top, bottom];
      })()`) as [number, number, number, number];
      assert(begin < top && top < end && end < bottom && bottom < 900, JSON.stringify([begin, end, top, bottom]));
    });
    await reportOf(directory, [resultWith({})]);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 1);
      assertEquals(await page.locator("#failures-section").isVisible(), false, "no unsuccessful tasks");
    });
  });
});

test("the chart of CPU times is no finer than the resolution of the clock", IN_BROWSER, async () => {
  const shell = [0, 0, 0, 10, 20, 20, 130].map((userMs, index) =>
    resultWith({ id: `${index}`, userMs, systemMs: userMs === 130 ? 10 : 0 })
  );
  const microseconds = [resultWith({ userMs: 0.412, systemMs: 0.205 }), resultWith({ id: "2" })];
  await withTempDirectory(async (directory) => {
    const report = await reportOf(directory, shell);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 7);
      assertEquals(await textOf(page, "#cpu-caption"), "Measured in steps of 10 ms.");
      await page.locator("#cpu-times").scrollIntoViewIfNeeded();
      const { x, y, height } = (await page.locator("#cpu-times canvas").boundingBox())!;
      await page.mouse.move(x + 70, y + height - 40);
      await page.getByText("under 10 ms: 3 tasks").waitFor();
      await page.fill("#search", "0");
      await page.click("#found .id");
      assertStringIncludes(await textOf(page, "#selected"), "CPU time under 10 ms");
    });
    await reportOf(directory, microseconds);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 2);
      assertEquals(await textOf(page, "#cpu-caption"), "");
      await page.fill("#search", "1");
      await page.click("#found .id");
      assertStringIncludes(await textOf(page, "#selected"), "CPU time 0.62 ms");
    });
    await reportOf(directory, [resultWith({})]);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 1);
      assertEquals(await textOf(page, "#cpu-caption"), "Unknown.");
      assertEquals(await textOf(page, '[data-figure="CPU time"]'), "CPU time – unknown");
    });
  });
});

test("a report fits narrow screens and paper", IN_BROWSER, async () => {
  const long = "/very/long/path/without/blanks".repeat(20);
  const results = ["ok", "failed"].map((outcome) =>
    resultWith({ id: long + outcome, outcome: outcome as "ok", status: null, attempts: 2, error: long, stderr: long })
  );
  await withTempDirectory(async (directory) => {
    const report = await reportOf(directory, results, `${"a".repeat(200)}.jsonl`);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 2);
      const widths = "[document.documentElement.scrollWidth, ...[...document.querySelectorAll('.scroll, .long')]" +
        ".map((box) => box.scrollWidth - box.clientWidth)]";
      assertEquals(await page.evaluate(widths), [320, 0, 0, 0]);
      await page.emulateMedia({ media: "print" });
      const [scheme, heights] = await page.evaluate(
        "[getComputedStyle(document.documentElement).colorScheme, " +
          "[...document.querySelectorAll('.scroll, .long, pre')].map((box) => box.scrollHeight - box.clientHeight)]",
      ) as [string, number[]];
      assertEquals([scheme, Math.max(...heights)], ["light", 0]);
    }, { viewport: { width: 320, height: 600 }, colorScheme: "dark" });
  });
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`texts and outcomes have enough contrast, ${colorScheme}`, IN_BROWSER, async () => {
    await withTempDirectory(async (directory) => {
      const results = OUTCOMES.map((outcome) => {
        const none = outcome === "skipped" && { attempts: 0, slot: 0 };
        return resultWith({ id: outcome, outcome, status: null, stderr: "x", ...none });
      });
      const report = await reportOf(directory, results);
      await withPage(pathToFileURL(report).href, async (page) => {
        await waitForResults(page, OUTCOMES.length);
        const assertContrast = async (least: number, property: "color" | "backgroundColor", selectors: string[]) => {
          const colors = await computedColors(page, selectors, property);
          colors.forEach(([color, background], index) => {
            const contrast = contrastOf(color, background);
            assert(contrast >= least, `${selectors[index]}: ${contrast}`);
          });
        };
        await assertContrast(3, "backgroundColor", OUTCOMES.map((outcome) => `[data-outcome="${outcome}"] .dot`));
        await assertContrast(4.5, "color", [
          "body",
          "#when",
          ".tile .faint",
          "#time-caption",
          ".id",
          "th",
          "pre",
          "footer",
        ]);
      }, { colorScheme });
    });
  });
}

test("ReportCollector orders lanes by slot and limits their number", () => {
  const collector = new ReportCollector();
  const add = (result: TaskResult) => collector.add(factsOf(result), () => result);
  for (let slot = 300; slot >= 1; slot--) add(resultWith({ id: `${slot}`, slot }));
  const { lanes, omittedLanes, rows, laneUtilization } = collector.data("results");
  assertEquals([lanes.length, lanes[0], lanes[255], omittedLanes], [256, "slot 45", "slot 300", 44]);
  assertEquals([rows.lanes[0], rows.lanes[255], rows.lanes[256]], [255, 0, 256]); // the last one has no lane
  assertEquals(laneUtilization, undefined);

  const workers = new ReportCollector(2);
  for (const [host, slot] of [["b", 1], ["a", 2], ["a", 1], ["b", 1]] as const) {
    const result = resultWith({ worker: { host, pid: 7 }, slot, outcome: host === "b" ? "failed" : "ok" });
    workers.add(factsOf(result), () => result);
  }
  const data = workers.data("results");
  assertEquals(data.lanes, ["a 7, slot 1", "a 7, slot 2", "b 7, slot 1"]);
  assertEquals(data.rows.ids.length, 2, "every second result has a row");
  assertEquals(data.laneUtilization!.notOk.map((counts) => counts.reduce((sum, count) => sum + count, 0)), [0, 0, 2]);
});

test("ReportCollector has the earlier attempts of its rows, and limits the number of attempts", () => {
  const earlier = (slot: number): EarlierAttempt => ({
    ...{ outcome: "failed", status: 1, slot, startedAt: "2026-01-02T03:04:04.678Z", durationMs: 100, stderrEnd: "" },
  });
  const collector = new ReportCollector(6);
  const add = (result: TaskResult) => collector.add(factsOf(result), () => result);
  add(resultWith({ id: "a", attempts: 102, slot: 1, earlierAttempts: [earlier(3), earlier(2)] }));
  add(resultWith({ id: "b", attempts: 1, slot: 2 }));
  const { lanes, rows, earlierRows, laneUtilization } = collector.data("results");
  assertEquals([lanes, rows.ids, laneUtilization], [["slot 1", "slot 2", "slot 3"], ["a", "b"], undefined]);
  const { ids, attempts, startDeltas, durations, outcomes, lanes: slots } = earlierRows;
  assertEquals([ids, attempts, startDeltas, durations], [["a", "a"], [100, 101], [0, 0], [100_000, 100_000]]);
  assertEquals([outcomes, slots], [[1, 1], [2, 1]]);
  add(resultWith({ id: "c", attempts: 3, slot: 2, earlierAttempts: [earlier(1), earlier(1)] }));
  const fewer = collector.data("results");
  assertEquals([fewer.rows.ids, fewer.earlierRows.ids], [["a", "c"], ["a", "a", "c", "c"]]);
  add(resultWith({ id: "d" }));
  add(resultWith({ id: "e", attempts: 9, earlierAttempts: Array.from({ length: 8 }, () => earlier(1)) }));
  assertEquals(collector.data("results").rows.ids, ["a"]);
});

/** Returns the results of a workflow: a task, two that wait for it, and one that waits for these and is retried. */
function workflowResults(): TaskResult[] {
  const skipped = { outcome: "skipped", status: null, attempts: 0, slot: 0 } as const;
  const earlierAttempts = [
    { status: 1, outcome: "failed", slot: 1, startedAt: "2026-11-30T08:00:05.000Z", durationMs: 1_000, stderrEnd: "" },
  ] as const;
  return [
    resultAt("<b>fetch</b>", 0, 1_000, { uses: { net: 1 } }),
    resultAt("train 1", 1_000, 1_000, { after: ["<b>fetch</b>"], uses: { gpu: 1 } }),
    resultAt("train 2", 1_500, 2_500, { after: ["<b>fetch</b>"], slot: 2, uses: { gpu: 2 } }),
    resultAt("test", 8_000, 1_000, {
      after: ["train 1", "train 2"],
      attempts: 2,
      earlierAttempts,
      outcome: "failed",
      status: 1,
    }),
    ...Array.from(
      { length: 7 },
      (_, index) => resultAt(`publish ${index + 1}`, 9_000, 0, { ...skipped, after: ["test"] }),
    ),
    resultAt("lost", 9_000, 0, { ...skipped, after: ["nowhere"] }),
  ];
}

test(
  "a report shows the critical path, the reasons of skipped tasks, and the use of resources",
  IN_BROWSER,
  async () => {
    await withTempDirectory(async (directory) => {
      const report = await reportOf(directory, workflowResults());
      await withPage(pathToFileURL(report).href, async (page) => {
        await waitForResults(page, 12);
        const rowsOf = async (section: string) =>
          (await page.locator(`#${section} tbody tr`).allInnerTexts()).map((text) => text.trim().split(/\s*\t\s*/));
        assertEquals(await rowsOf("path"), [
          ["<b>fetch</b>", "ok", "+0 ms", "0 ms", "1.0 s", "0 ms"],
          ["train 2", "ok", "+1.5 s", "500 ms", "2.5 s", "0 ms"],
          ["test", "failed", "+5.0 s", "1.0 s", "2.0 s", "2.0 s"],
        ]);
        assertEquals(
          await textOf(page, "#path > .legend"),
          "running 5.5 s 61.1 % waiting to start 1.5 s 16.7 % between attempts 2.0 s 22.2 %",
        );
        assertStringIncludes(await textOf(page, "#path-caption"), "3 tasks: ");
        assertEquals(await rowsOf("skipped"), [
          ["test", "failed", "7", "publish 1, publish 2, publish 3, publish 4, publish 5 and 2 more"],
          ["nowhere", "no result", "1", "lost"],
        ]);
        assertEquals(await rowsOf("resources"), [["gpu", "0.67", "3"], ["net", "0.11", "1"]]);
        // The charts of two resources make the timeline higher.
        assert((await page.locator("#time").boundingBox())!.height > 600);
        assertEquals(await textOf(page, "#failures-caption"), "1");

        await page.locator("#path .id").nth(1).click();
        assertStringIncludes(await textOf(page, "#selected"), "task train 2 outcome ok status 0 slot slot 2 ");
        await page.locator("#skipped .id").nth(1).click();
        const skipped = await textOf(page, "#selected");
        assertStringIncludes(skipped, "task publish 1 outcome skipped status unknown started ");
        assertEquals(await page.locator("#skipped button.id").count(), 7, "a task without a result cannot be selected");
      });
      // The page of a phone is not wider than its screen.
      await withPage(pathToFileURL(report).href, async (page) => {
        await waitForResults(page, 12);
        const width = await page.evaluate("document.documentElement.scrollWidth");
        assert(Number(width) <= 375, `the page is ${width} pixels wide`);
      }, { viewport: { width: 375, height: 700 } });
    });
  },
);

test("a report of tasks without prerequisites and resources has no sections about them", IN_BROWSER, async () => {
  await withTempDirectory(async (directory) => {
    const report = await reportOf(directory, [resultWith({ id: "a" }), resultWith({ id: "b" })]);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 2);
      for (const section of ["path", "skipped", "resources"]) {
        assertEquals(await page.locator(`#${section}-section`).isVisible(), false, section);
      }
    });
  });
});

test("a report of a critical path of 10,000 tasks lists the longest", IN_BROWSER, async () => {
  await withTempDirectory(async (directory) => {
    const results = Array.from({ length: 10_000 }, (_, index) =>
      resultWith({
        id: `${index}`,
        startedAt: new Date(Date.parse("2026-11-30T08:00:00Z") + 10 * index).toISOString(),
        durationMs: index === 5_000 ? 9 : 5,
        after: index === 0 ? [] : [`${index - 1}`],
      }));
    const report = await reportOf(directory, results);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 10_000);
      const ids = await page.locator("#path .id").allInnerTexts();
      assertEquals([ids.length, ids[0], ids.at(-1), ids.includes("5000")], [50, "0", "9999", true]);
      assertMatch(await textOf(page, "#path"), /… [\d,]+ shorter tasks … /);
      assertStringIncludes(await textOf(page, "#path-caption"), "10,000 tasks: ");
    });
  });
});

test("report --tasks takes the commands of unsuccessful tasks from the task file", IN_BROWSER, async () => {
  await withTempDirectory(async (directory) => {
    const [results, tasks, report] = ["r.jsonl", "t.jsonl", "r.html"].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(
      results,
      jsonLines([
        resultWith({ id: "a", outcome: "failed", stderr: "" }),
        resultWith({ id: "b", outcome: "failed", stderr: "", cmd: "from the result" }),
        resultWith({ id: "c" }),
      ]),
    );
    await writeFile(tasks, jsonLines(["a", "b", "c"].map((id) => ({ id, cmd: ["from", "the file"] }))));
    const { status, stderr } = await taskrunner(["report", results, "--tasks", tasks, "-o", report]);
    assertEquals([status, stderr], [0, ""]);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 3);
      assertEquals(await page.locator("#failures .command").allTextContents(), ["from 'the file'", "from the result"]);
    });
    await writeFile(tasks, "{}\n");
    const invalid = await taskrunner(["report", results, "--tasks", tasks, "-o", report]);
    assertEquals(invalid.status, 255);
    assertStringIncludes(invalid.stderr, 't.jsonl:1: Cannot read the task: the field "cmd" is missing');
  });
});

test("a report truncates huge ids, errors and outputs", async () => {
  const huge = "x".repeat(3_000_000);
  await withTempDirectory(async (directory) => {
    const results = [resultWith({ id: huge, error: huge, stderr: huge, cmd: huge, outcome: "failed" })];
    const { size } = await stat(await reportOf(directory, results));
    assert(size < 2_000_000, `${size} bytes`);
  });
});

test("a report overwrites an old report, but no other file", async () => {
  await withTempDirectory(async (directory) => {
    const report = await reportOf(directory, [resultWith({})]);
    const first = await readFile(report, "utf8");
    await reportOf(directory, [resultWith({}), resultWith({ id: "2" })]);
    assert(first !== await readFile(report, "utf8"));
    const results = join(directory, "results.jsonl");
    const { status, stderr } = await taskrunner(["report", results, "-o", results]);
    assertEquals(status, 255);
    assertStringIncludes(stderr, "it exists and is not a report");
    assertEquals(parseResults(await readFile(results, "utf8")).length, 2);
  });
});
