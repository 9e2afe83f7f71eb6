/** Serves the report of a run in progress to browsers on this machine. @module */

import type { ServerResponse } from "node:http";
import { ReportCollector } from "../collector.ts";
import type { ReportProgress } from "../data.ts";
import { encodeReport } from "../encoding.ts";
import type { TaskResult } from "../../records/result.ts";
import type { ResultFacts } from "../../results/statistics/results_reader.ts";
import { LivePageServer } from "./page_server.ts";

/** Minimum interval between two reports. */
const MIN_INTERVAL_MS = 1_000;
/** Maximum share of time spent on building reports. */
const MAX_SHARE = 0.05;
/** Time limit for browsers to receive the last report. */
const CLOSE_MS = 1_000;

/** Options of a {@linkcode LiveReport}. */
export interface LiveReportOptions {
  /** The port on 127.0.0.1; 0 for any free port. */
  port: number;
  /** The name of the run in the page. */
  name: string;
  /** Maximum number of individual results in the page. More results take CPU time from the run. */
  maxRows: number;
}

/** Collects results and sends their report to all browsers that have the page open. */
export class LiveReport {
  readonly url: string;
  readonly #server: LivePageServer;
  readonly #name: string;
  readonly #collector: ReportCollector;
  readonly #startedMs = performance.now();
  readonly #browsers = new Set<ServerResponse>();
  #progress: Omit<ReportProgress, "elapsedMs"> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The earliest time of the next report. */
  #nextMs = 0;

  private constructor({ name, maxRows }: LiveReportOptions, server: LivePageServer) {
    this.#name = name;
    this.#collector = new ReportCollector(maxRows);
    this.#server = server;
    this.url = server.url;
    server.onBrowser = (browser) => this.#subscribe(browser);
  }

  /**
   * Opens the port and returns the report.
   *
   * @throws `Error` when the port cannot be opened.
   */
  static async open(options: LiveReportOptions): Promise<LiveReport> {
    return new LiveReport(options, await LivePageServer.listen(options.port));
  }

  /** Adds a result. */
  add(facts: ResultFacts, result: () => TaskResult): void {
    this.#collector.add(facts, result);
    this.#scheduleSend();
  }

  /** Sets the progress of the run. */
  update({ total, finished, running, retrying }: Omit<ReportProgress, "elapsedMs">): void {
    this.#progress = { total, finished, running, retrying };
    this.#scheduleSend();
  }

  /**
   * Sends the last report and closes the port.
   *
   * @param text Final status message of the page.
   */
  async close(text: string): Promise<void> {
    clearTimeout(this.#timer);
    this.#send([...this.#browsers]); // even to browsers with an earlier report pending
    const message = this.#collector.results > 0 ? text : `${text} There are no results.`;
    for (const browser of this.#browsers) browser.end(`event: end\ndata: ${message}\n\n`);
    await this.#server.close(CLOSE_MS);
  }

  #subscribe(browser: ServerResponse): void {
    this.#browsers.add(browser);
    browser.on("close", () => this.#browsers.delete(browser));
    browser.on("drain", () => this.#scheduleSend());
    this.#scheduleSend();
  }

  #scheduleSend(): void {
    if (this.#browsers.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // Skip browsers that have not received the previous report yet.
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
    this.#nextMs = endedMs + Math.max(MIN_INTERVAL_MS, (endedMs - startedMs) / MAX_SHARE);
  }
}
