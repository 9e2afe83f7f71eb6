/** Encodes the data of a report for its page: as compressed JSON, in text without any meaning in HTML. @module */

import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import type { ReportCollector } from "./collector.ts";
import type { ReportProgress } from "./data.ts";

/** Together with the page itself, less than 2 MB. */
const MAX_CHARACTERS = 1_350_000;

/** Encodes the data as text. If it would be too long, fewer results stay individual. */
export function encodeReport(collector: ReportCollector, name: string, progress?: ReportProgress): string {
  let text: string;
  do {
    text = gzipSync(Buffer.from(JSON.stringify(collector.data(name, progress)))).toString("base64");
  } while (text.length > MAX_CHARACTERS && collector.thinOut());
  return text;
}
