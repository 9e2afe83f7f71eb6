import { Buffer } from "node:buffer";
import { stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import fc from "fast-check";
import { main } from "../../cli/main.ts";
import { ResultIndex } from "../../results/result_index.ts";
import { findResultsEnd } from "../../results/results_end.ts";
import { EFFORT, jsonLines, resultWith, SEED, withTempDirectory } from "../support/helpers.ts";
import { fakeIo } from "../support/fake_io.ts";
import { test } from "../support/test.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Runs a command on results on its standard input. */
async function ask(
  args: readonly string[],
  input: string,
): Promise<{ status: number; stdout: string; stderr: string }> {
  const [written, lines]: [Uint8Array[], string[]] = [[], []];
  const io = fakeIo({
    stdin: () => [encode(input)],
    stdout: { write: (bytes) => void written.push(bytes) },
    stderr: (line) => Promise.resolve(void lines.push(line)),
  });
  const status = await main(args, io);
  return { status, stdout: await new Blob(written as Uint8Array<ArrayBuffer>[]).text(), stderr: lines.join("\n") };
}

const GOOD = JSON.stringify(resultWith({}));
const failed = resultWith({ outcome: "failed", status: 1, stderr: "e" });
/** Returns the good result with another value of a field, as text. */
const but = (field: string, value: string) =>
  GOOD.replace(new RegExp(`"${field}":("[^"]*"|[^,}]*)`), `"${field}":${value}`);

const READ: Record<string, string> = {
  "a byte order mark, CRLF and blank lines": `\ufeff${GOOD}\r\n\r\n \t\r\n${GOOD}`,
  "the same field twice": but("id", '"a","id":"b"'),
  "an id with terminal escapes": but("id", JSON.stringify("\x1b[2J\x07\u009b\u202e\u2028\0")),
  "an id that is a lone surrogate": but("id", '"\\ud800"'),
  "ids that are properties of Object.prototype": `${but("id", '"__proto__"')}\n${but("id", '"constructor"')}`,
  "the first and the last year": `${but("startedAt", '"0000-01-01T00:00:00Z"')}\n${
    but("startedAt", '"9999-12-31T23:59:59.999Z"')
  }`,
  "the longest duration": but("durationMs", "8e15"),
  "a duration of -0": but("durationMs", "-0"),
  "the least positive duration": but("durationMs", "5e-324"),
  "a million attempts in slot 9007199254740991": but("attempts", "1000000").replace(
    '"slot":1',
    '"slot":9007199254740991',
  ),
  "deeply nested meta": GOOD.replace(/}$/, `,"meta":${"[".repeat(500)}${"]".repeat(500)}}`),
  "meta with __proto__": GOOD.replace(/}$/, ',"meta":{"__proto__":{"polluted":1}}}'),
  "a command with terminal escapes": jsonLines([{ ...failed, cmd: ["\x1b[2J", "\udce9", "\u202e"] }]),
  "an output file that is a system file": jsonLines([{ ...failed, stderrFile: "/etc/passwd", stderrBytes: 1e15 }]),
  "invalid base64": jsonLines([{ ...failed, stderrEncoding: "base64", stderr: "\u0000?" }]),
};

const REFUSED: Record<string, [text: string, message: RegExp]> = {
  "a negative duration": [but("durationMs", "-1"), /"durationMs" must not be negative, got -1$/],
  "a duration of NaN": [but("durationMs", "NaN"), /it is not valid JSON/],
  "a duration of null": [but("durationMs", "null"), /"durationMs" must be a number, got null$/],
  "an infinite duration": [but("durationMs", "1e999"), /"durationMs" must be at most \d+ milliseconds, got Infinity$/],
  ...Object.fromEntries(
    [
      ...["+275760-09-13T00:00:00Z", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00.000Z", "2026-01-01T24:00:00.000Z"],
      ...["2026-02-03 10:00:00Z", "2026-02-03T10:00Z", "2026-02-03T10:00:00", "2026-02-03", "2026-W06-2T10:00:00Z", ""],
      ...["2026-02-03T10:00:00+00:00", "2026-02-03T10:00:00.000Z\\n", "2026-02-03T23:59:60Z"],
    ].map((time) => [
      `the time "${time}"`,
      [but("startedAt", `"${time}"`), /"startedAt" must be a time in ISO 8601 and UTC, such as .*, got "/],
    ]),
  ),
  "a duration that ends after the last Date": [
    but("durationMs", "8.6e15"),
    /"durationMs" must be at most \d+ milli/,
  ],
  "a status above 255": [but("status", "256"), /"status" must be at most 255, got 256$/],
  "a status below 0": [but("status", "-1"), /"status" must not be negative, got -1$/],
  "a fractional status": [but("status", "0.5"), /"status" must be an integer, got 0.5$/],
  "an invalid signal": [
    GOOD.replace(',"attempts"', ',"signal":"of rain","attempts"'),
    /"signal" must be a signal such as SIGKILL, got "of rain"$/,
  ],
  "a process with a negative number": [
    GOOD.replace(',"startedAt"', ',"worker":{"host":"h","pid":-1},"startedAt"'),
    /"worker.pid" must not be negative, got -1$/,
  ],
  "an id that is a number": [but("id", "7"), /"id" must be a string, got 7$/],
  "attempts with a thousand digits": [
    but("attempts", "9".repeat(1000)),
    /"attempts" must be an integer, got Infinity$/,
  ],
  "a field __proto__": [GOOD.replace("{", '{"__proto__":1,'), /unknown field "__proto__"/],
  "a byte order mark in the middle": [`\ufeff${GOOD}`, /it is not valid JSON/],
  "nesting of 300,000 levels": ["[".repeat(300_000), /it is not valid JSON|must be a JSON object/],
  "one long, unfinished line": [`{"id":"${"x".repeat(5_000_000)}`, /it is not valid JSON .* was it cut off\?$/],
  "a NUL": ["\0", /it is not valid JSON/],
  "GNU parallel's joblog": [
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n1\t:\t1.5\t0.1\t0\t2\t0\t0\techo 1\n",
    /it is not valid JSON/,
  ],
  "the Test Anything Protocol": ["TAP version 14\n1..1\nok 1\n", /it is not valid JSON/],
  "an array of results": [`[${GOOD}]`, /it must be a JSON object/],
  "events of go test": ['{"Time":"2026-01-01T00:00:00Z","Action":"pass","Test":"T"}', /unknown field "Time"/],
};

test("all readers accept strange but valid results", async () => {
  for (const [name, text] of Object.entries(READ)) {
    for (const args of [["stats"], ["stats", "--json"], ["trace"], ["report"]]) {
      const { status, stdout, stderr } = await ask([...args, "-"], text);
      assertEquals([status, stderr], [0, ""], name);
      if (args.join() === "stats") {
        // deno-lint-ignore no-control-regex -- the test looks for control characters
        assert(!/NaN|Infinity|undefined|[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(stdout), `${name}: ${stdout}`);
      } else if (args.join() !== "report") JSON.parse(stdout);
    }
    for (const args of [["failed"], ["failed", "--cmd"]]) {
      const { stdout, stderr } = await ask([...args, "-"], text);
      // deno-lint-ignore no-control-regex -- the test looks for control characters
      assert(!/[\x00-\x09\x0b-\x1f\x7f]|root:/.test(stdout + stderr), `${name}: ${stdout}`);
    }
    const index = new ResultIndex(false);
    await index.read([encode(text)]);
    assert(index.size > 0, name);
  }
  assertEquals(({} as { polluted?: number }).polluted, undefined);
});

test("all readers reject an invalid result, with its line and the reason", async () => {
  for (const [name, [text, message]] of Object.entries(REFUSED)) {
    for (const command of ["stats", "trace", "report"]) {
      const { status, stdout, stderr } = await ask([command, "-"], `\n${text}`);
      assertEquals([status, stdout], [255, ""], name);
      assertMatch(stderr, /^taskrunner: Cannot read results from "-": -:2: /, name);
      assertMatch(stderr, message, name);
    }
    const error = await new ResultIndex(false).read([encode(`\n${text}`)]).catch((error) => error);
    assertMatch(String(error), message, name);
  }
});

test(
  "report names a line that is invalid after its beginning",
  async () => {
    const line = JSON.stringify(failed);
    const cases = [
      [line.replace('"stderr":"e"', '"stderr":7'), /-:1: Cannot read the result: "stderr" must be a string, got 7$/],
      [line.replace(',"stderr":"e"', ""), /-:1: Cannot read the result: the field "stderr" is missing$/],
      [line.replace('"stderr":"e"', "oops"), /-:1: Cannot read the line: it is not valid JSON/],
    ] as const;
    for (const [text, message] of cases) {
      const { status, stderr } = await ask(["report", "-"], text);
      assertEquals(status, 255);
      assertMatch(stderr, message);
    }
  },
);

test("findResultsEnd() finds the end of the complete results, wherever the file is cut off", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const line = fc.tuple(fc.nat(300), fc.boolean()).map(([length, isLong]) =>
      JSON.stringify(resultWith({ id: "é".repeat(isLong ? length * 1000 : length) }))
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 3 }), line, fc.nat(), async (lines, last, place) => {
        const whole = encode(lines.map((line) => `${line}\n`).join(""));
        const cut = encode(last).subarray(0, place % (encode(last).length + 1));
        await writeFile(path, Buffer.concat([whole, cut]));
        const isWhole = cut.length === encode(last).length;
        const tornBytes = isWhole ? 0 : cut.length;
        assertEquals(await findResultsEnd(path), {
          wholeBytes: whole.length + cut.length - tornBytes,
          tornBytes,
          lacksNewline: isWhole,
        });
      }),
      { numRuns: 30 * EFFORT, seed: SEED },
    );
  });
});

test("findResultsEnd() does not load an unfinished line into memory", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    await writeFile(path, `${GOOD}\n`);
    const { size } = await stat(path);
    const tornBytes = 1024 ** 3;
    await truncate(path, size + tornBytes);
    const before = process.memoryUsage().rss;
    let most = before;
    const timer = setInterval(() => most = Math.max(most, process.memoryUsage().rss), 20);
    assertEquals(await findResultsEnd(path), { wholeBytes: size, tornBytes, lacksNewline: false });
    clearInterval(timer);
    most = Math.max(most, process.memoryUsage().rss);
    assert(most - before < 400e6, `memory grew by ${most - before} bytes`);
  });
});
