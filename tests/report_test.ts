import { test } from "node:test";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import type { Page } from "playwright-core";
import type { TaskResult } from "../mod.ts";
import { ReportCollector } from "../report/collector.ts";
import { factsOf } from "../statistics/results_reader.ts";
import { pageModule } from "../tools/page.ts";
import { IN_BROWSER, waitForResults, withPage } from "./browser.ts";
import {
  jsonLines,
  mixedTasks,
  parseResults,
  PROJECT,
  resultWith,
  taskFile,
  taskrunner,
  TIMEOUT,
  waitFor,
  withTempDirectory,
} from "./helpers.ts";

/** Makes a report of results in a directory, and gives its path. */
async function reportOf(directory: string, results: readonly TaskResult[], name = "results.jsonl"): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, jsonLines(results));
  const report = join(directory, "report.html");
  const { status, stderr } = await taskrunner(["report", path, "-o", report]);
  assertEquals([status, stderr], [0, ""]);
  return report;
}

/** The text of an element, as it is read: without what is between the lines of HTML. */
async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).innerText()).replace(/\s+/g, " ");
}

/** The version of Bun that makes the page: another one makes another page. */
const [, PAGE_MAKER] = /-p bun@([\d.]+)/.exec(await readFile(join(PROJECT, "README.md"), "utf8"))!;
if (process.versions["bun"] === PAGE_MAKER) {
  test("the page is made of what is in report/page; 'deno task page' makes it anew", TIMEOUT, async () => {
    const made = await readFile(join(PROJECT, "report", "page.generated.ts"), "utf8");
    assert(made === await pageModule(), "report/page.generated.ts is not what report/page would give");
  });
}

test("a report shows the figures of its results, and finds its tasks", IN_BROWSER, async () => {
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
        "80 tasks, each by itself. Zoom with the slider, or with Ctrl and the wheel.",
      );
      assertEquals(await page.locator("#slowest tbody tr").count(), 50);
      const slowest = results.toSorted((one, other) => other.durationMs - one.durationMs)[0]!;
      assertEquals(await page.locator("#slowest tbody .id").first().innerText(), slowest.id);
      assertEquals(await page.locator("#retried tbody tr").count(), retried);
      assertEquals(
        await page.locator("#failures details").count(),
        results.filter(({ outcome }) => outcome !== "ok").length,
      );

      // One that failed is opened, and says why.
      const failed = page.locator("#failures details").filter({ has: page.getByText("task 4", { exact: true }) });
      await failed.locator("summary").click({ position: { x: 3, y: 8 } });
      assertEquals(await failed.locator("pre").textContent(), "task 4 is not right\n");

      // A task is looked for, chosen, and shown where it ran.
      await page.fill("#search", "TASK 7");
      assertEquals(await page.locator("#found .id").count(), 11); // 7, and 70 to 79
      // The quickest, as around one that took long the whole run would be visible.
      const { id, slot, durationMs } = results
        .filter(({ id, outcome, attempts }) => outcome === "ok" && attempts === 1 && /\d\d$/.test(id))
        .reduce((quickest, result) => result.durationMs < quickest.durationMs ? result : quickest);
      await page.fill("#search", id);
      await page.click("#found .id");
      const chosen = await textOf(page, "#selected");
      assertStringIncludes(chosen, `task ${id} outcome ok status 0 slot slot ${slot} `);
      assertStringIncludes(
        chosen,
        `took ${durationMs < 9.95 ? +durationMs.toPrecision(2) : Math.round(durationMs)} ms`,
      );
      const visible = async () => Number(/^(\d+) tasks/.exec(await textOf(page, "#time-caption"))![1]);
      const zoomed = await visible();
      assert(zoomed >= 1 && zoomed < 80, `${zoomed} tasks are visible`);
      await page.click("#all");
      assertEquals(await visible(), 80);

      // Zoomed with the wheel, and a task chosen by a click on the timeline.
      const { x, y, width } = (await page.locator("#time canvas").boundingBox())!;
      await page.mouse.move(x + width / 2, y + 60);
      await page.keyboard.down("Control");
      for (let turns = 0; turns < 5; turns++) await page.mouse.wheel(0, -400);
      await waitFor("the zoom", async () => await visible() < 80);
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
      assert(await background() !== light, "the button makes it dark");
    });
  });
});

test("what looks like HTML or a script is shown as text", IN_BROWSER, async () => {
  const hostile = `</script><script>globalThis.wasRun=1</script><img src=x onerror="globalThis.wasRun=1">'"&lt;\u2028`;
  await withTempDirectory(async (directory) => {
    const result = resultWith({
      id: hostile,
      stdout: hostile,
      stderr: hostile,
      outcome: "failed",
      status: 1,
      error: hostile,
      signal: hostile,
      attempts: 2,
      worker: { host: hostile, pid: 1 },
      meta: hostile,
    });
    const report = await reportOf(directory, [result], `<img src=x onerror="globalThis.wasRun=1">.jsonl`);
    await withPage(pathToFileURL(report).href, async (page) => {
      await waitForResults(page, 1);
      assertEquals(await page.locator("#failures pre").textContent(), hostile);
      for (const list of ["#failures", "#slowest", "#retried"]) {
        assertEquals(await page.locator(`${list} .id`).textContent(), hostile);
      }
      await page.fill("#search", "onerror");
      await page.click("#found .id");
      assertStringIncludes((await page.locator("#selected").textContent())!, hostile);
      // The tooltip of the timeline is HTML, too.
      const { x, y, width } = (await page.locator("#time canvas").boundingBox())!;
      await page.mouse.move(x + width / 2, y + 36);
      await page.locator(".tooltip").waitFor();
      assertStringIncludes((await page.locator(".tooltip").textContent())!, hostile);
      assertEquals(await page.locator("img").count(), 0);
      assertEquals(await page.evaluate(() => (globalThis as { wasRun?: number }).wasRun), undefined);
    });
  });
});

test("a report of very many results stays below 2 MB, and says what it leaves out", IN_BROWSER, async () => {
  const runStartedMs = Date.parse("2026-11-23T20:00:00Z");
  const results = Array.from({ length: 170_000 }, (_, index) =>
    resultWith({
      id: crypto.randomUUID(), // which cannot be compressed
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
      assertMatch(await textOf(page, "#kept"), /^All figures and curves are of all 170,000 results.*every \w+ one/);
      assertStringIncludes(await textOf(page, "#failures"), "The first 100 of 170.");
      assertMatch(await textOf(page, "#time-caption"), /^Too many tasks to draw each/);
      await page.fill("#search", results[0]!.id);
      await page.click("#found .id");
      assertMatch(await textOf(page, "#time-caption"), /^\d+ tasks, each by itself, of those that are in this page/);
    });
  });
});

test("slots have lanes in their order, as many as can be seen", () => {
  const collector = new ReportCollector();
  const add = (result: TaskResult) => collector.add(factsOf(result), () => result);
  for (let slot = 300; slot >= 1; slot--) add(resultWith({ id: `${slot}`, slot }));
  const { lanes, moreLanes, rows, laneParts } = collector.data("results");
  assertEquals([lanes.length, lanes[0], lanes[255], moreLanes], [256, "slot 45", "slot 300", 44]);
  assertEquals([rows.lanes[0], rows.lanes[255], rows.lanes[256]], [255, 0, 256]); // the last has none
  assertEquals(laneParts, undefined);

  const workers = new ReportCollector(2);
  for (const [host, slot] of [["b", 1], ["a", 2], ["a", 1], ["b", 1]] as const) {
    const result = resultWith({ worker: { host, pid: 7 }, slot, outcome: host === "b" ? "failed" : "ok" });
    workers.add(factsOf(result), () => result);
  }
  const data = workers.data("results");
  assertEquals(data.lanes, ["a 7, slot 1", "a 7, slot 2", "b 7, slot 1"]);
  assertEquals(data.rows.ids.length, 2, "every second result");
  assertEquals(data.laneParts!.notOk.map((counts) => counts.reduce((sum, count) => sum + count, 0)), [0, 0, 2]);
});

test("what a report cannot show of a task is cut, and said", TIMEOUT, async () => {
  const huge = "x".repeat(3_000_000);
  await withTempDirectory(async (directory) => {
    const results = [resultWith({ id: huge, error: huge, signal: huge, stderr: huge, outcome: "failed" })];
    const { size } = await stat(await reportOf(directory, results));
    assert(size < 2_000_000, `${size} bytes`);
  });
});

test("a report goes to a file, over an old report, and over nothing else", TIMEOUT, async () => {
  await withTempDirectory(async (directory) => {
    const report = await reportOf(directory, [resultWith({})]);
    const first = await readFile(report, "utf8");
    await reportOf(directory, [resultWith({}), resultWith({ id: "2" })]);
    assert(first !== await readFile(report, "utf8"));
    const results = join(directory, "results.jsonl");
    const { status, stderr } = await taskrunner(["report", results, "-o", results]);
    assertEquals(status, 255);
    assertStringIncludes(stderr, "it is there already, and is not a report");
    assertEquals(parseResults(await readFile(results, "utf8")).length, 2);
  });
});
