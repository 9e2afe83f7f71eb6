/** Encodes the data of a report for its page: gzipped JSON in base64, which needs no escaping in HTML. @module */

import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import type { ReportCollector } from "./collector.ts";
import type { ReportProgress } from "./data.ts";

/** Keeps the whole page, including its script, below 2 MB. */
const MAX_CHARACTERS = 1_350_000;

/** Encodes the data as text; drops individual results while the text is too long. */
export function encodeReport(collector: ReportCollector, name: string, progress?: ReportProgress): string {
  let text: string;
  do {
    text = gzipSync(Buffer.from(JSON.stringify(collector.data(name, progress)))).toString("base64");
  } while (text.length > MAX_CHARACTERS && collector.downsample());
  return text;
}
