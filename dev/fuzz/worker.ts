/**
 * The report channel of a shell worker: for any bytes in any chunks, the parser does not throw, and accepts only
 * reports with the token, the expected number and preceding times.
 */

import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { type WorkerEvent, WorkerReportReader } from "../../executors/shell/worker_report.ts";

const TOKEN = "0123456789abcdef01234567";
const TIMES = "0m0.00s 0m0.00s\n0m1.50s 0m0.25s\n";
const NUMBER = 7;

export const tokens = [
  TOKEN,
  TIMES,
  `${TOKEN} 7 0 1\n`,
  `${TOKEN} begin 7 12345.67\n`,
  `${TOKEN} status 7 139\n`,
  " - ",
  "\n",
  "7",
];

export const seeds = [
  `${TIMES}${TOKEN} 7 0 1\n`,
  `${TOKEN} begin 7 12345.67\nKilled\n${TIMES}${TOKEN} 7 137 0\n`,
  `${TOKEN} begin 7 12345.67\n${TOKEN} status 7 139\n${TIMES}${TOKEN} 7 - 0\n`,
  `${TOKEN} begin 7 \n${TIMES}${TOKEN} 7 0 1\n`,
  `x${TIMES}${TOKEN} 7 0 1\n${TIMES}${TOKEN} 7 0 1\n`,
  `\n${TOKEN} 7 0 1\n`,
  `7 0 1\n${TOKEN.slice(1)} 7 0 1\n`,
];

export function fuzz(data: Uint8Array): void {
  const atOnce = eventsOf(data, data.length || 1);
  assertEquals(eventsOf(data, 1), atOnce);
  const lines = new TextDecoder().decode(data).split("\n").slice(0, -1);
  const controlLines = lines.filter((line) => line.startsWith(`${TOKEN} `));
  assert(atOnce.length <= controlLines.length, "an event without a control line");
  const first = atOnce.findIndex(({ kind }) => kind === "violation");
  const trusted = first === -1 ? atOnce : atOnce.slice(0, first);
  assert(trusted.filter(({ kind }) => kind === "begin").length <= 1, "it began twice");
  const reports = trusted.filter((event) => event.kind === "report");
  assert(reports.length <= 1, "two reports");
  for (const { report: { status, userMs, systemMs, stderrIsEmpty } } of reports) {
    assert(status === null || Number.isInteger(status) && status >= 0 && status <= 255, `the status ${status}`);
    assert(userMs >= 0 && systemMs >= 0 && Number.isInteger(userMs + systemMs), `the times ${userMs}, ${systemMs}`);
    const line = `${TOKEN} ${NUMBER} ${status} ${Number(stderrIsEmpty)}`;
    const isThere = controlLines.includes(line) || controlLines.includes(line.replace(/ \S+ (\d)$/, " - $1"));
    assert(isThere, `no line contains ${line}`);
  }
}

function eventsOf(data: Uint8Array, chunkBytes: number): WorkerEvent[] {
  const reader = new WorkerReportReader(TOKEN);
  reader.expect(NUMBER);
  const events: WorkerEvent[] = [];
  for (let offset = 0; offset < data.length; offset += chunkBytes) {
    events.push(...reader.push(data.subarray(offset, offset + chunkBytes)));
  }
  return events;
}
