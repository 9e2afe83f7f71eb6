/** Opens pages in Chromium for tests. */

import { after } from "node:test";
import { assertEquals } from "@std/assert/equals";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { lacks, TIMEOUT } from "./helpers.ts";
import { pathOf } from "./programs.ts";

/** Options of tests in the browser: skipped without one, with time to open several pages. */
export const IN_BROWSER = { timeout: 3 * TIMEOUT.timeout, skip: lacks("chromium") };

/** Disables features that need a network, a screen or privileges that containers lack. */
const ARGUMENTS = "--no-sandbox --disable-dev-shm-usage --disable-gpu --disable-quic --no-first-run --disable-sync " +
  "--disable-background-networking --disable-component-update";

/** Options of {@linkcode withPage}. */
export interface PageOptions extends BrowserContextOptions {
  /** A script that runs before those of the page. */
  script?: string;
  /** Matches errors that the page may report. */
  expected?: RegExp;
}

/** The browser that the tests of a file share, because a start takes longer than most tests. */
let launched: Browser | undefined;
after(() => launched?.close());

/** Returns the browser, which starts at the first call, and again after a crash. */
async function launchedBrowser(): Promise<Browser> {
  if (launched?.isConnected()) return launched;
  launched = await chromium.launch({ executablePath: pathOf("chromium")!, args: ARGUMENTS.split(" ") });
  return launched;
}

/** Opens a page and checks that it reports no errors, violates no policy, and sends no requests to other sites. */
export async function withPage<T>(
  url: string,
  use: (page: Page) => Promise<T>,
  { script, expected, ...context }: PageOptions = {},
): Promise<T> {
  const browser = await launchedBrowser();
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 }, ...context });
  try {
    page.setDefaultTimeout(TIMEOUT.timeout);
    if (script !== undefined) await page.addInitScript(script);
    const problems: string[] = [];
    const note = (problem: string) => expected?.test(problem) || problems.push(problem);
    page.on("console", (message) => note(message.text()));
    page.on("pageerror", (error) => note(String(error)));
    const origin = new URL(url).protocol === "file:" ? url : new URL(url).origin;
    page.on("request", (request) => {
      if (!request.url().startsWith(origin)) problems.push(`requested ${request.url()}`);
    });
    await page.goto(url);
    const value = await use(page);
    assertEquals(problems, []);
    return value;
  } finally {
    await page.close(); // with its cookies and storage: each page has its own
  }
}

/** Waits until the page shows `count` results. */
export async function waitForResults(page: Page, count: number): Promise<void> {
  await page.waitForFunction((count) => {
    const { document } = globalThis as unknown as { document: { body: { dataset: { results?: string } } } };
    return document.body.dataset.results === `${count}`;
  }, count);
}

/** Red, green and blue, from 0 to 255. */
export type Color = readonly [number, number, number];

/** Returns the rendered colors at points of an element, where `[0.5, 0]` is the middle of its upper edge. */
export async function colorsOf(page: Page, selector: string, points: readonly [number, number][]): Promise<Color[]> {
  const png = (await page.locator(selector).screenshot()).toString("base64");
  // The policy of the page under test forbids images.
  const other = await page.context().browser()!.newPage();
  const colors = await other.evaluate(`(async () => {
    const bytes = Uint8Array.from(atob("${png}"), (character) => character.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes]));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return ${JSON.stringify(points)}.map(([x, y]) => [
      ...context.getImageData(Math.floor(x * (image.width - 1)), Math.floor(y * (image.height - 1)), 1, 1).data,
    ].slice(0, 3));
  })()`) as Color[];
  await other.close();
  return colors;
}

/** Returns, for the first element that matches each selector, a color and the color behind it. */
export async function computedColors(
  page: Page,
  selectors: readonly string[],
  property: "color" | "backgroundColor" | "borderTopColor",
): Promise<[Color, Color][]> {
  return await page.evaluate(`${JSON.stringify(selectors)}.map((selector) => {
    const rgb = (color) => color.match(/\\d+/g).slice(0, 3).map(Number);
    const behind = (element) => {
      const { backgroundColor } = getComputedStyle(element);
      return backgroundColor === "rgba(0, 0, 0, 0)" ? behind(element.parentElement) : rgb(backgroundColor);
    };
    const element = document.querySelector(selector);
    const around = ${JSON.stringify(property)} === "color" ? element : element.parentElement;
    return [rgb(getComputedStyle(element).${property}), behind(around)];
  })`) as [Color, Color][];
}

/** Returns the contrast of two colors, from 1 to 21, as WCAG 2 defines it. */
export function contrastOf(one: Color, other: Color): number {
  const luminance = (color: Color) => {
    const [red, green, blue] = color.map((value) => {
      return value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light! + 0.05) / (dark! + 0.05);
}
