import { assertEquals } from "@std/assert/equals";
import { type WorkerEvent, WorkerReportReader } from "../../executors/shell/worker_report.ts";
import { test } from "../support/test.ts";

const TOKEN = "0123456789abcdef01234567";
const TIMES = "0m0.00s 0m0.01s\n0m1.50s 0m0.25s\n";

/** Parses a text at once and byte by byte, while the report of attempt 7 is expected. */
function eventsOf(text: string): WorkerEvent[] {
  const bytes = new TextEncoder().encode(text);
  const [atOnce, byteByByte] = [bytes.length, 1].map((size) => {
    const reader = new WorkerReportReader(TOKEN);
    reader.expect(7);
    const events: WorkerEvent[] = [];
    for (let offset = 0; offset < bytes.length; offset += size) {
      events.push(...reader.push(bytes.subarray(offset, offset + size)));
    }
    return events;
  });
  assertEquals(atOnce, byteByByte);
  return atOnce!;
}

function reportOf(text: string): unknown {
  const [event, ...more] = eventsOf(text);
  assertEquals(more, []);
  return event?.kind === "report" ? event.report : event;
}

const violation = (reason: string) => ({ kind: "violation", reason });

test("WorkerReportReader parses the status, the flag of stderr, CPU times and messages", () => {
  const times = { userMs: 1_500, systemMs: 250 };
  const reports: [string, unknown][] = [
    [`${TIMES}${TOKEN} 7 0 1\n`, { status: 0, stderrIsEmpty: true, ...times, messages: "" }],
    [`${TIMES}${TOKEN} 7 3 0\n`, { status: 3, stderrIsEmpty: false, ...times, messages: "" }],
    [`Killed\n${TIMES}${TOKEN} 7 137 1\n`, { status: 137, stderrIsEmpty: true, ...times, messages: "Killed" }],
    [`a\n\nb\n${TIMES}${TOKEN} 7 255 1\n`, { status: 255, stderrIsEmpty: true, ...times, messages: "a\n\nb" }],
    [`no newline${TIMES}${TOKEN} 7 2 1\n`, { status: 2, stderrIsEmpty: true, ...times, messages: "no newline" }],
  ];
  for (const [text, report] of reports) assertEquals(reportOf(text), report);
});

test("WorkerReportReader parses CPU times with minutes and with a decimal comma", () => {
  const timesOf = (times: string) => {
    const { userMs, systemMs } = reportOf(`0m0s 0m0s\n${times}\n${TOKEN} 7 0 1\n`) as Record<string, unknown>;
    return [userMs, systemMs];
  };
  assertEquals(timesOf("1m2.34s 0m0.1s"), [62_340, 100]);
  assertEquals(timesOf("0m0,5s 12m0,000s"), [500, 720_000]);
  assertEquals(timesOf("0m00.07s 0m59s"), [70, 59_000]);
});

test("WorkerReportReader ignores lines that do not begin with the token", () => {
  const forged = [
    "7 0 1",
    `x${TOKEN} 7 0 1`,
    ` ${TOKEN} 7 0 1`,
    `${TOKEN.slice(1)} 7 0 1`,
    `${TOKEN}7 0 1`,
    TOKEN.toUpperCase() + " 7 0 1",
    `+ echo '${TOKEN} 7 0 1'`,
  ];
  for (const line of forged) assertEquals(eventsOf(`${TIMES}${line}\n`), []);
});

test("WorkerReportReader waits for the end of an incomplete report", () => {
  const text = `Killed\n${TIMES}${TOKEN} 7 137 1\n`;
  for (let end = 0; end < text.length; end++) assertEquals([end, eventsOf(text.slice(0, end))], [end, []]);
});

test("WorkerReportReader rejects malformed control lines, and those of other attempts", () => {
  const malformed = [
    "",
    "7",
    "7 0",
    "7 0 2",
    "7 256 0",
    "7 -1 0",
    "7 0 1 ",
    "7  0 1",
    "7 0 1 1",
    "x 0 1",
    "begin",
    "begin 7",
    "begin 7 1",
    "begin 7 1.5",
    "begin 7  1.50",
    "begin 7 1.50 1.50",
    "begin 7 -1.50",
    "begin 7 1234567890123.50",
    "7 1e1 0",
  ];
  for (const text of malformed) {
    assertEquals([text, reportOf(`${TIMES}${TOKEN} ${text}\n`)], [text, violation("a report was malformed")]);
  }
  for (const number of [0, 6, 8, 77]) {
    assertEquals(reportOf(`${TIMES}${TOKEN} ${number} 0 1\n`), violation("a report was for another attempt"));
    assertEquals(reportOf(`${TOKEN} begin ${number} 1.50\n`), violation("a report was for another attempt"));
    assertEquals(reportOf(`${TOKEN} status ${number} 0\n`), violation("a report was for another attempt"));
  }
  const notTimes = [
    "",
    "\n",
    "0m0s 0m0s\n",
    "0m0s 0m0s\nKilled\n",
    "0m0s 0m0s\n0m0s 0m0s \n",
    "0m0s 0m0s\n-1m0s 0m0s\n",
  ];
  for (const times of notTimes) {
    assertEquals([times, reportOf(`${times}${TOKEN} 7 0 1\n`)], [times, violation("a report had no CPU times")]);
  }
});

test("WorkerReportReader parses the uptime at the start of a command, which may be absent", () => {
  assertEquals(eventsOf(`${TOKEN} begin 7 \n`), [{ kind: "begin", uptimeMs: undefined }]);
  assertEquals(eventsOf(`${TOKEN} begin 7 12345.50\n`), [{ kind: "begin", uptimeMs: 12_345_500 }]);
});

test("WorkerReportReader takes the status of an attempt with pipes once, before the report", () => {
  const [said, report] = [`${TOKEN} status 7 139\n`, `${TIMES}${TOKEN} 7 - 1\n`];
  const status = (text: string) => (reportOf(text) as { status: unknown }).status;
  assertEquals([status(said + report), status(report)], [139, null]);
  assertEquals(
    (reportOf(`Segmentation fault\n${said}${report}`) as { messages: unknown }).messages,
    "Segmentation fault",
  );
  assertEquals(reportOf(said + said), violation("a status was reported twice"));
});

test("WorkerReportReader rejects a second report or start of an attempt", () => {
  const report = `${TIMES}${TOKEN} 7 0 1\n`;
  assertEquals(eventsOf(report + report).map(({ kind }) => kind), ["report", "violation"]);
  const begin = `${TOKEN} begin 7 1.50\n`;
  assertEquals(eventsOf(begin + begin).map(({ kind }) => kind), ["begin", "violation"]);
  assertEquals(eventsOf(begin + report).map(({ kind }) => kind), ["begin", "report"]);
  assertEquals(eventsOf(report + begin).map(({ kind }) => kind), ["report", "violation"]);
});

test("WorkerReportReader bounds the size of messages, and accepts invalid UTF-8", () => {
  const reader = new WorkerReportReader(TOKEN);
  reader.expect(1);
  const noise = new Uint8Array(1024 * 1024).fill(0xff);
  for (let piece = 0; piece < 20; piece++) {
    noise[piece * 1_000] = 0x0a;
    assertEquals(reader.push(noise), []);
  }
  const [event] = reader.push(new TextEncoder().encode(`\n${TIMES}${TOKEN} 1 0 1\n`));
  assertEquals(event?.kind, "report");
  if (event?.kind === "report") assertEquals(event.report.messages.length < 256 * 1024, true);
});
