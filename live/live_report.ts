/** The report of a run while it goes on, for browsers on this machine. @module */

import type { ServerResponse } from "node:http";
import { ReportCollector } from "../report/collector.ts";
import type { ReportProgress } from "../report/data.ts";
import { encodeReport } from "../report/encoding.ts";
import type { TaskResult } from "../result.ts";
import type { ResultFacts } from "../statistics/results_reader.ts";
import { LivePageServer } from "./page_server.ts";

/** How often browsers get what is new. */
const SHORTEST_MS = 1_000;
/** What is spent on that, at most, as a part of the time. */
const MAX_SHARE = 0.05;
/** How long the last of it may take. */
const CLOSE_MS = 1_000;

/** How a {@linkcode LiveReport} is shown. */
export interface LiveReportOptions {
  /** The port on 127.0.0.1; 0 for any that is free. */
  port: number;
  /** What the page calls the run. */
  name: string;
  /** How many results the page knows one by one, at most. More take more time, which may be the run's own. */
  maxRows: number;
}

/** Collects results, and shows them to whoever opens the page. */
export class LiveReport {
  readonly url: string;
  readonly #server: LivePageServer;
  readonly #name: string;
  readonly #collector: ReportCollector;
  readonly #startedMs = performance.now();
  readonly #browsers = new Set<ServerResponse>();
  #progress: Omit<ReportProgress, "elapsedMs"> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the next report may be made. */
  #nextMs = 0;

  private constructor({ name, maxRows }: LiveReportOptions, server: LivePageServer) {
    this.#name = name;
    this.#collector = new ReportCollector(maxRows);
    this.#server = server;
    this.url = server.url;
    server.onBrowser = (browser) => this.#welcome(browser);
  }

  /** @throws `Error` when the port cannot be had. */
  static async open(options: LiveReportOptions): Promise<LiveReport> {
    return new LiveReport(options, await LivePageServer.listen(options.port));
  }

  /** Adds a result. */
  add(facts: ResultFacts, result: () => TaskResult): void {
    this.#collector.add(facts, result);
    this.#sendSoon();
  }

  /** Tells how far the run is. */
  update({ total, finished, running, retrying }: Omit<ReportProgress, "elapsedMs">): void {
    this.#progress = { total, finished, running, retrying };
    this.#sendSoon();
  }

  /**
   * Shows how it ended, and closes the port.
   *
   * @param text what the page says of that.
   */
  async close(text: string): Promise<void> {
    clearTimeout(this.#timer);
    this.#send([...this.#browsers]); // also to one that has something to take yet
    const said = this.#collector.results > 0 ? text : `${text} There were no results.`;
    for (const browser of this.#browsers) browser.end(`event: end\ndata: ${said}\n\n`);
    await this.#server.close(CLOSE_MS);
  }

  #welcome(browser: ServerResponse): void {
    this.#browsers.add(browser);
    browser.on("close", () => this.#browsers.delete(browser));
    browser.on("drain", () => this.#sendSoon());
    this.#sendSoon();
  }

  #sendSoon(): void {
    if (this.#browsers.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // One that has not taken what it was sent gets nothing more until it has.
      this.#send([...this.#browsers].filter((browser) => !browser.writableNeedDrain));
    }, Math.max(0, this.#nextMs - performance.now()));
  }

  #send(browsers: readonly ServerResponse[]): void {
    if (browsers.length === 0 || this.#collector.results === 0) return;
    const startedMs = performance.now();
    const elapsedMs = startedMs - this.#startedMs;
    const data = encodeReport(this.#collector, this.#name, this.#progress && { ...this.#progress, elapsedMs });
    for (const browser of browsers) browser.write(`event: report\ndata: ${data}\n\n`);
    const endedMs = performance.now();
    this.#nextMs = endedMs + Math.max(SHORTEST_MS, (endedMs - startedMs) / MAX_SHARE);
  }
}
