/** How the data of a report travel to the page: as JSON, compressed, in text that HTML leaves alone. @module */

import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import type { ReportCollector } from "./collector.ts";
import type { ReportProgress } from "./data.ts";

/** With the page itself that is less than 2 MB. */
const MAX_CHARACTERS = 1_350_000;

/** The data as text. When it would be too much, only some of the results stay one by one. */
export function encodeReport(collector: ReportCollector, name: string, progress?: ReportProgress): string {
  let text: string;
  do {
    text = gzipSync(Buffer.from(JSON.stringify(collector.data(name, progress)))).toString("base64");
  } while (text.length > MAX_CHARACTERS && collector.thinOut());
  return text;
}
