/** A browser for the tests. */

import { existsSync } from "node:fs";
import { assertEquals } from "@std/assert/equals";
import { type Browser, chromium, type Page } from "playwright-core";
import { TIMEOUT } from "./helpers.ts";

const CHROMIUM = "/usr/bin/chromium";

/** Without the browser tests are skipped; `.ci/run` installs it. */
export const IN_BROWSER = { ...TIMEOUT, skip: existsSync(CHROMIUM) ? false : `there is no ${CHROMIUM}` };

/** Nothing that needs a network, a screen or the rights that a container lacks. */
const ARGUMENTS = "--no-sandbox --disable-dev-shm-usage --disable-gpu --disable-quic --no-first-run --disable-sync " +
  "--disable-background-networking --disable-component-update";

/** Opens a page, and checks that nothing was wrong with it: no error, no refused resource, nothing asked of others. */
export async function withPage<T>(url: string, use: (page: Page, browser: Browser) => Promise<T>): Promise<T> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS.split(" ") });
  try {
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    const problems: string[] = [];
    page.on("console", (message) => problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    const origin = new URL(url).protocol === "file:" ? url : new URL(url).origin;
    page.on("request", (request) => {
      if (!request.url().startsWith(origin)) problems.push(`asked for ${request.url()}`);
    });
    await page.goto(url);
    const value = await use(page, browser);
    assertEquals(problems, []);
    return value;
  } finally {
    await browser.close();
  }
}

/** Waits until the page shows so many results. */
export async function waitForResults(page: Page, count: number): Promise<void> {
  await page.waitForFunction((count) => {
    const { document } = globalThis as unknown as { document: { body: { dataset: { results?: string } } } };
    return document.body.dataset.results === `${count}`;
  }, count);
}
