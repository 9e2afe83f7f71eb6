import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertStringIncludes } from "@std/assert/string-includes";
import { assertThrows } from "@std/assert/throws";
import { JsonParseStream } from "@std/json/parse-stream";
import { TextLineStream } from "@std/streams/text-line-stream";
import fc from "fast-check";
import { ByteBuffer } from "../../system/byte_buffer.ts";
import { concatenate } from "../../text/concatenate.ts";
import { printableJson } from "../../text/excerpt.ts";
import { defineLazyText, LazyText } from "../../text/lazy_text.ts";
import { InvalidLineError, JsonLinesWriter, readJsonLines, type ReadJsonLinesOptions } from "../../jsonl/mod.ts";
import { jsonLineReader } from "../../jsonl/jsonl_reader.ts";
import { LineReader } from "../../jsonl/line_reader.ts";
import { decodeByteText } from "../../text/byte_text.ts";
import { byteStream, collect, waitFor } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function values(text: string | Uint8Array, options?: ReadJsonLinesOptions): Promise<unknown[]> {
  return (await collect(readJsonLines(byteStream(text), options))).map(({ value }) => value);
}

/** Reads a whole text and returns its values and the error messages of invalid lines. */
async function valuesAndProblems(text: string | Uint8Array, options: ReadJsonLinesOptions = {}) {
  const problems: string[] = [];
  const onInvalid = (error: InvalidLineError) => problems.push(error.message);
  return { values: await values(text, { ...options, onInvalid }), problems };
}

test("readJsonLines() yields each value with its line number", async () => {
  const lines = await collect(readJsonLines([encode('{"a":1}\n\n[2]\n"three"\n')]));
  assertEquals(lines, [
    { lineNumber: 1, value: { a: 1 } },
    { lineNumber: 3, value: [2] },
    { lineNumber: 4, value: "three" },
  ]);
});

test("readJsonLines() accepts CRLF, blank lines, a byte order mark and a missing final newline", async () => {
  assertEquals(await values('\ufeff{"a":1}\r\n \t\r\n\r\n{"b":2}'), [{ a: 1 }, { b: 2 }]);
  assertEquals(await values(""), []);
  assertEquals(await values("\n\n"), []);
  assertEquals(await values("\ufeff"), []);
});

test("readJsonLines() accepts a byte order mark only at the start of the input", async () => {
  const { values, problems } = await valuesAndProblems("1\n\ufeff2\n");
  assertEquals(values, [1]);
  assertEquals(problems.length, 1);
});

test("readJsonLines() skips only lines of JSON whitespace", async () => {
  assertEquals((await valuesAndProblems("\u00a0\n\f\n\v\n")).problems.length, 3);
});

test("readJsonLines() yields a value as soon as its line is complete", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const lines = readJsonLines(readable);
  const written = writer.write(encode('{"a":1}\n{"b"'));
  assertEquals(await lines.next(), { done: false, value: { lineNumber: 1, value: { a: 1 } } });
  await written;
  await lines.return!();
});

test("readJsonLines() does not read ahead", async () => {
  let reads = 0;
  function* endless() {
    for (;;) yield encode(`${++reads}\n`);
  }
  const lines = readJsonLines(endless());
  for (let count = 1; count <= 3; count++) await lines.next();
  assertEquals(reads, 3);
});

test("readJsonLines() agrees with @std/json, at any chunk size", async () => {
  const record = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue());
  const separator = fc.constantFrom("\n", "\r\n", "\n\n", "\n \t\n");
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(record, separator)),
      fc.integer({ min: 1, max: 9 }),
      async (records, chunkBytes) => {
        const text = records.map(([value, end]) => JSON.stringify(value) + end).join("");
        const ours = (await collect(readJsonLines(byteStream(text, chunkBytes)))).map(({ value }) => value);
        const theirs = byteStream(text).pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
          .pipeThrough(new TextLineStream()).pipeThrough(new JsonParseStream());
        assertEquals(ours, await collect(theirs));
      },
    ),
    { numRuns: 300 },
  );
});

test("readJsonLines() accepts exactly what JSON.parse() accepts", async () => {
  const almostJson = fc.oneof(
    fc.json(),
    fc.string(),
    fc.json().map((text) => text.slice(0, -1)),
    fc.array(fc.constantFrom("{", "}", "[", "]", '"', ":", ",", "1", "-", "e", ".", "null", "\\u", " ", "\\"))
      .map((tokens) => tokens.join("")),
  ).filter((text) => !text.includes("\n") && !/^[ \t\r]*$/.test(text) && !text.startsWith("\ufeff"));
  await fc.assert(
    fc.asyncProperty(almostJson, async (text) => {
      const wellFormed = text.toWellFormed();
      let expected: unknown[] = [];
      try {
        expected = [JSON.parse(wellFormed)];
      } catch {
        // not JSON
      }
      const { values, problems } = await valuesAndProblems(wellFormed + "\n");
      assertEquals(values, expected);
      assertEquals(problems.length, 1 - expected.length);
    }),
    { numRuns: 1000 },
  );
});

test("readJsonLines() rejects invalid JSON with the line number and the reason", async () => {
  const error = await assertRejects(() => values('{"a":1}\n{"b":\n{"c":3}\n'), InvalidLineError);
  assert(error instanceof SyntaxError);
  assertEquals([error.name, error.lineNumber], ["InvalidLineError", 2]);
  const reason = (error.cause as Error).cause; // the error of JSON.parse(), whose wording differs between runtimes
  assert(reason instanceof SyntaxError);
  assertEquals(error.problem, `Cannot read the line: it is not valid JSON (${reason.message})`);
  assertEquals(error.message, `Line 2: ${error.problem}`);
});

test("readJsonLines() ends and cancels its source after an error", async () => {
  let canceled = false;
  const lines = readJsonLines(
    new ReadableStream({
      pull: (controller) => controller.enqueue(encode("nonsense\n")),
      cancel: () => void (canceled = true),
    }),
  );
  await assertRejects(() => lines.next(), InvalidLineError);
  assertEquals(await lines.next(), { done: true, value: undefined });
  assert(canceled);
});

test("readJsonLines() passes on an error of its source", async () => {
  function* failing() {
    yield encode("1\n");
    throw new RangeError("the disk is on fire");
  }
  const lines = readJsonLines(failing(), { onInvalid: () => {} });
  await lines.next();
  await assertRejects(() => lines.next(), RangeError, "the disk is on fire");
  assertEquals(await lines.next(), { done: true, value: undefined });
});

test("readJsonLines() with onInvalid skips invalid lines", async () => {
  const { values, problems } = await valuesAndProblems("1\nx\n2\ny");
  assertEquals(values, [1, 2]);
  assertEquals(problems.map((problem) => problem.slice(0, 7)), ["Line 2:", "Line 4:"]);
});

test("count() validates every line", async () => {
  const lines = byteStream('{"a":1}\n\nbad\n2\n3', 4);
  const problems: number[] = [];
  assertEquals(await jsonLineReader(lines, { onInvalid: ({ lineNumber }) => problems.push(lineNumber) }).count(), 3);
  assertEquals(problems, [3]);
  await assertRejects(() => jsonLineReader(byteStream("1\nbad\n"), {}).count(), InvalidLineError, "Line 2");
});

test("readJsonLines() ends with the error that onInvalid throws", async () => {
  const onInvalid = () => {
    throw new TypeError("no more");
  };
  let canceled = false;
  const lines = readJsonLines({
    *[Symbol.iterator]() {
      try {
        yield encode("x\n1\n");
      } finally {
        canceled = true;
      }
    },
  }, { onInvalid });
  await assertRejects(() => lines.next(), TypeError, "no more");
  assertEquals(await lines.next(), { done: true, value: undefined });
  assert(canceled);
});

test("readJsonLines() awaits onInvalid", async () => {
  let waited = false;
  const onInvalid = async () => {
    await new Promise((resolve) => setTimeout(resolve));
    waited = true;
  };
  const lines = readJsonLines(byteStream("x\n1\n"), { onInvalid });
  assertEquals((await lines.next()).value!.value, 1);
  assert(waited);
});

test("LineReader yields empty lines, but none after the last delimiter", async () => {
  for (const [input, expected] of [["a,,b,", ["a", "", "b"]], ["a,b", ["a", "b (cut off)"]], ["", []]] as const) {
    const reader = new LineReader(byteStream(input), {
      delimiter: ",".charCodeAt(0),
      maxLineBytes: 10,
      parse: (text, lineNumber, isUnfinished) => ({ lineNumber, value: isUnfinished ? `${text} (cut off)` : text }),
    });
    assertEquals(await collect(reader), expected.map((value, index) => ({ lineNumber: index + 1, value })));
  }
});

test("LineReader has the lines of a chunk without a promise, and the error of one at the next call of next()", async () => {
  const text = "1\n\n2\nbad\n3\n4";
  for (const skips of [false, true]) {
    const problems: number[] = [];
    const onInvalid = ({ lineNumber }: InvalidLineError) => problems.push(lineNumber);
    const reader = jsonLineReader(byteStream(text), skips ? { onInvalid } : {});
    assertEquals(reader.takeCompleted(), undefined); // nothing was read yet
    assertEquals(await reader.next(), { done: false, value: { lineNumber: 1, value: 1 } });
    assertEquals(reader.takeCompleted(), { lineNumber: 3, value: 2 });
    assertEquals([reader.takeCompleted(), reader.takeCompleted()], [undefined, undefined]);
    if (!skips) {
      await assertRejects(() => reader.next(), InvalidLineError, "Line 4");
      assertEquals([reader.takeCompleted(), await reader.next()], [undefined, { done: true, value: undefined }]);
      continue;
    }
    assertEquals([await reader.next(), problems], [{ done: false, value: { lineNumber: 5, value: 3 } }, [4]]);
    assertEquals(reader.takeCompleted(), undefined); // the last line may continue
    assertEquals(await reader.next(), { done: false, value: { lineNumber: 6, value: 4 } });
    assertEquals([reader.takeCompleted(), await reader.next()], [undefined, { done: true, value: undefined }]);
  }
});

test("LineReader knows where each line begins, at any chunk size", async () => {
  const lines = ["a", "", "too long".repeat(3), "bb\r", "skipped", "ä€", "last"];
  const bytes = encode(lines.join("\n"));
  for (let chunkBytes = 1; chunkBytes <= bytes.length + 1; chunkBytes++) {
    const accepted: string[] = [];
    const lineAt = (begin: number) => decode(bytes.subarray(begin)).split("\n")[0]!;
    const reader = new LineReader(byteStream(bytes, chunkBytes), {
      delimiter: 10,
      maxLineBytes: 20,
      accept(line, begin, end) {
        accepted.push(lineAt(reader.lineBegin));
        assertEquals(accepted.at(-1), decode(line.subarray(begin, end)));
        return accepted.at(-1) === "skipped";
      },
      parse: (value, lineNumber) => ({ value, lineNumber }),
      onInvalid: () => {},
    });
    for await (const { value } of reader) assertEquals(lineAt(reader.lineBegin), value);
    assertEquals(accepted, lines.filter((line) => !line.startsWith("too long")));
  }
});

test("LineReader decodes lines with a given decoder", async () => {
  const parse = (text: string, lineNumber: number) => ({ lineNumber, value: text });
  const options = { delimiter: 0, maxLineBytes: 10, parse, decode: decodeByteText };
  const bytes = Uint8Array.of(0x61, 0xe9, 0, 0xc3, 0xa9, 0, 0xff);
  for (const size of [1, 2, 100]) {
    const lines = await collect(new LineReader(byteStream(bytes, size), options));
    assertEquals(lines.map(({ value }) => value), ["a\udce9", "é", "\udcff"]);
  }
  const strict = new LineReader(byteStream(bytes), { ...options, decode: undefined });
  await assertRejects(() => strict.next(), InvalidLineError, "Line 1: Cannot read the line: it is not valid UTF-8");
  const refusing = new LineReader(byteStream(bytes), {
    ...options,
    decode: () => {
      throw new TypeError("no");
    },
  });
  await assertRejects(() => refusing.next(), InvalidLineError, "Line 1: Cannot read the line: it is not valid UTF-8");
});

test("next() can be called concurrently and resolves in order", async () => {
  const lines = readJsonLines(byteStream("1\n2\n3\n4\n", 1));
  const results = await Promise.all(Array.from({ length: 5 }, () => lines.next()));
  assertEquals(results.map(({ value }) => value?.value), [1, 2, 3, 4, undefined]);
});

test("return() does not cancel a source that has ended", async () => {
  let returned = 0;
  const iterator = {
    next: () => ({ done: true, value: undefined }),
    return: () => (returned++, { done: true, value: undefined }),
  };
  const lines = readJsonLines({ [Symbol.iterator]: () => iterator } as Iterable<Uint8Array>);
  await lines.next();
  await lines.return!();
  assertEquals(returned, 0);
});

test("ByteBuffer copies small views instead of retaining their buffers", () => {
  const buffer = new ByteBuffer();
  for (let count = 0; count < 100; count++) {
    buffer.append(new Uint8Array(new ArrayBuffer(65_536), count, 1).fill(count));
  }
  assertEquals([...buffer.view().slice(0, 3)], [0, 1, 2]);
  assert(buffer.view().buffer.byteLength < 1_000);
  assertEquals([buffer.take().length, buffer.length], [100, 0]);
});

test("readJsonLines() rejects invalid UTF-8 instead of replacing it", async () => {
  for (const bytes of [[0x22, 0xff, 0x22], [0x22, 0xc3, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0xff, 0xfe, 0x22, 0]]) {
    const { values, problems } = await valuesAndProblems(new Uint8Array([...bytes, 0x0a, 0x31]));
    assertEquals(values, [1]);
    assertEquals(problems, ["Line 1: Cannot read the line: it is not valid UTF-8"]);
  }
  const error = await assertRejects(() => values(new Uint8Array([0xff])), InvalidLineError);
  assert(error.cause instanceof TypeError); // from TextDecoder
});

test("readJsonLines() hints at truncation when an invalid last line has no newline", async () => {
  const { problems } = await valuesAndProblems('1\n{"cmd":"ec');
  assertStringIncludes(problems[0]!, "the input ends here, without a newline: was it cut off?");
  const cut = await valuesAndProblems(new Uint8Array([0x31, 0x0a, 0x22, 0xc3]));
  assertStringIncludes(cut.problems[0]!, "it is not valid UTF-8; the input ends here");
  assert(!(await valuesAndProblems("1\nx\n")).problems[0]!.includes("cut off"));
});

test("InvalidLineError escapes control characters", async () => {
  const { problems } = await valuesAndProblems("\x1b[31mred\x07\x7f\u009b\n");
  // deno-lint-ignore no-control-regex -- matching control characters is the purpose
  assert(!/[\x00-\x1f\x7f-\x9f]/.test(problems[0]!), problems[0]);
});

test("readJsonLines() accepts a line of maxLineBytes and rejects one byte more", async () => {
  const text = '"1234567"\n"12345678"\n"x"\n';
  const expected = "Line 2: Cannot read the line: it is longer than the limit of 9 bytes";
  for (const chunkBytes of [1, 2, 3, 5, 100]) {
    const problems: string[] = [];
    const lines = readJsonLines(byteStream(text, chunkBytes), {
      maxLineBytes: 9,
      onInvalid: (e) => problems.push(e.message),
    });
    assertEquals(await collect(lines), [{ lineNumber: 1, value: "1234567" }, { lineNumber: 3, value: "x" }]);
    assertEquals(problems, [expected]);
  }
  await assertRejects(() => values(text, { maxLineBytes: 9 }), InvalidLineError, expected);
});

test("readJsonLines() skips the rest of a line that is too long", async () => {
  const text = `1\n${"2".repeat(35)}\n3\n`;
  for (const chunkBytes of [1, 3, 10, 12, 100]) {
    const problems: string[] = [];
    const onInvalid = (error: InvalidLineError) => problems.push(error.message);
    const lines = await collect(readJsonLines(byteStream(text, chunkBytes), { maxLineBytes: 10, onInvalid }));
    assertEquals(lines, [{ lineNumber: 1, value: 1 }, { lineNumber: 3, value: 3 }]);
    assertEquals(problems, ["Line 2: Cannot read the line: it is longer than the limit of 10 bytes"]);
  }
});

test("readJsonLines() rejects a line that is too long before its end, without buffering it", async () => {
  let given = 0;
  function* endlessLine() {
    for (;; given++) yield new Uint8Array(1000).fill(0x20);
  }
  const lines = readJsonLines(endlessLine(), { maxLineBytes: 10_000 });
  await assertRejects(() => lines.next(), InvalidLineError, "limit of 10000 bytes");
  assertEquals(given, 10);
});

test("readJsonLines() reports an unfinished line that is too long once", async () => {
  const { values, problems } = await valuesAndProblems("1\n" + "2".repeat(50), { maxLineBytes: 10 });
  assertEquals([values, problems.length], [[1], 1]);
});

test("readJsonLines() rejects a maxLineBytes that is not an integer of at least 1", async () => {
  assertEquals(await values("1\n", { maxLineBytes: 1 }), [1]);
  for (const maxLineBytes of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => readJsonLines([], { maxLineBytes }), RangeError, `got ${maxLineBytes}`);
  }
});

test("readJsonLines() rejects a source that is neither iterable nor a stream", () => {
  assertThrows(
    () => readJsonLines("text" as never),
    TypeError,
    'the source must be an iterable or a stream, got "text"',
  );
  assertThrows(() => readJsonLines(null as never), TypeError, "got null");
  assertThrows(() => readJsonLines({} as never), TypeError, "the source must be an iterable or a stream, got {}");
});

test("readJsonLines() reads __proto__ as a plain property", async () => {
  const [value] = await values('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}\n') as [object];
  assertEquals(Object.keys(value), ["__proto__", "constructor"]);
  assertEquals(Object.getPrototypeOf(value), Object.prototype);
  assertEquals(({} as { polluted?: number }).polluted, undefined);
});

test("readJsonLines() reports nesting that is too deep for the runtime as an invalid line", async () => {
  const deep = "[".repeat(200_000);
  const { values, problems } = await valuesAndProblems(`${deep}\n1\n`);
  assertEquals(values, [1]);
  assertEquals(problems.length, 1);
});

test("readJsonLines() converts values with parse, whose error makes the line invalid", async () => {
  const parse = (value: unknown, lineNumber: number) => {
    if (typeof value !== "number") throw new TypeError(`not a number:\u0007 ${value}`);
    return value * 10 + lineNumber;
  };
  const problems: string[] = [];
  const lines = readJsonLines(byteStream('5\n"x"\n6\n'), { parse, onInvalid: (error) => problems.push(error.message) });
  assertEquals(await collect(lines), [{ lineNumber: 1, value: 51 }, { lineNumber: 3, value: 63 }]);
  assertEquals(problems, ["Line 2: not a number:\\u0007 x"]);
});

test("return() cancels a source whose read never settles", async () => {
  let canceled = false;
  const stalled = new ReadableStream<Uint8Array>({ cancel: () => void (canceled = true) });
  const lines = readJsonLines(stalled);
  const pending = lines.next();
  await lines.return!();
  assertEquals(await pending, { done: true, value: undefined });
  assert(canceled);

  async function* stalledGenerator() {
    await new Promise(() => {});
    yield encode("1\n");
  }
  const others = readJsonLines(stalledGenerator());
  const next = others.next();
  await others.return!(); // settles although the generator cannot
  assertEquals(await next, { done: true, value: undefined });
});

test("return() discards values that were read already", async () => {
  const lines = readJsonLines(byteStream("1\n2\n3\n"));
  await lines.next();
  assertEquals(await lines.return!(), { done: true, value: undefined });
  assertEquals(await lines.next(), { done: true, value: undefined });
});

test("return() runs the finally block of a generator", async () => {
  let cleaned = false;
  async function* source() {
    try {
      yield encode("1\n2\n");
    } finally {
      cleaned = true;
    }
  }
  for await (const _ of readJsonLines(source())) break;
  assert(cleaned);
});

test("JsonLinesWriter writes one line per value and escapes control characters", async () => {
  let text = "";
  const writer = new JsonLinesWriter({ write: (bytes) => void (text += new TextDecoder().decode(bytes)) });
  await writer.write({ a: "\né", b: undefined });
  await writer.write("\ud800");
  await writer.write("\x1b\x7f\x9b\u061c\u2028\u202e\u2066");
  await writer.flush();
  assertEquals(text, '{"a":"\\né"}\n"\\ud800"\n"\\u001b\\u007f\\u009b\\u061c\\u2028\\u202e\\u2066"\n');
});

test("readJsonLines() reads back what JsonLinesWriter wrote", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue()), fc.integer({ min: 1, max: 9 }), async (all, chunkBytes) => {
      const written: number[] = [];
      const writer = new JsonLinesWriter({ write: (bytes) => void written.push(...bytes) });
      for (const value of all) await writer.write(value);
      await writer.flush();
      const read = await collect(readJsonLines(byteStream(new Uint8Array(written), chunkBytes)));
      assertEquals(read.map(({ value }) => value), all.map((value) => JSON.parse(JSON.stringify(value))));
    }),
  );
});

test("JsonLinesWriter writes the first line immediately and batches lines added during a write", async () => {
  const writes: string[] = [];
  const firstWrite = Promise.withResolvers<void>();
  const writer = new JsonLinesWriter({
    write(bytes) {
      writes.push(new TextDecoder().decode(bytes));
      return firstWrite.promise;
    },
  });
  await writer.write(1);
  await writer.write(2);
  await writer.write(3);
  assertEquals(writes, ["1\n"]);
  firstWrite.resolve();
  await writer.flush();
  assertEquals(writes, ["1\n", "2\n3\n"]);
});

test("write() applies backpressure when the buffer is full", async () => {
  const gate = Promise.withResolvers<void>();
  const writer = new JsonLinesWriter({ write: () => gate.promise });
  const half = "x".repeat(600_000);
  await writer.write(0);
  await writer.write(half);
  let accepted = false;
  const second = writer.write(half).then(() => accepted = true);
  await new Promise((resolve) => setTimeout(resolve));
  assert(!accepted);
  gate.resolve();
  await second;
});

test("JsonLinesWriter fails every call after a failed write", async () => {
  let writes = 0;
  const writer = new JsonLinesWriter({
    write() {
      writes++;
      throw new Error("disk full");
    },
  });
  await writer.write(1);
  await assertRejects(() => writer.flush(), Error, "disk full");
  await assertRejects(() => writer.write(2), Error, "disk full");
  await assertRejects(() => writer.flush(), Error, "disk full");
  assertEquals(writes, 1);
});

test("write() rejects a value that JSON cannot represent", async () => {
  const writer = new JsonLinesWriter({ write: () => {} });
  await assertRejects(() => writer.write(undefined), TypeError, "Cannot write a line: JSON cannot represent undefined");
  await assertRejects(() => writer.write(1n), TypeError);
});

test("JsonLinesWriter keeps the order of lines when the sink is slow", async () => {
  let text = "";
  const writer = new JsonLinesWriter({
    async write(bytes) {
      await Promise.resolve();
      text += new TextDecoder().decode(bytes);
    },
  });
  await Promise.all(Array.from({ length: 1000 }, (_, number) => writer.write(number)));
  await waitFor("the last line", () => text.endsWith("999\n"));
  assertEquals(text, Array.from({ length: 1000 }, (_, number) => `${number}\n`).join(""));
});

/** Writes values, and returns the text and the size of each write. */
async function writtenText(values: readonly unknown[]): Promise<{ text: string; sizes: number[] }> {
  const parts: Uint8Array[] = [];
  const writer = new JsonLinesWriter({
    async write(bytes) {
      await Promise.resolve();
      parts.push(bytes.slice());
    },
  });
  await Promise.all(values.map((value) => writer.write(value)));
  await writer.flush();
  return { text: new TextDecoder().decode(concatenate(parts)), sizes: parts.map(({ length }) => length) };
}

/** Values with long texts in all places, and values that only look so. */
function longValues(): unknown[] {
  const long = 'a"\n\u2028é😀\x1b'.repeat(10_000);
  class Custom {
    readonly text = long;
    toJSON() {
      return "custom";
    }
  }
  return [
    { a: long },
    { before: 1, a: long, none: undefined, "\u2028": long, after: [{ b: 2 }], f: () => {}, last: null },
    { none: undefined, a: long, [Symbol("s")]: long },
    Object.assign(Object.create(null), { 2: "b", 1: long, a: 3 }),
    JSON.parse(`{"__proto__":${JSON.stringify(long)},"b":{"__proto__":1}}`),
    ["result", { a: long, b: [] }],
    [undefined, { a: long }, { b: 1 }, 5],
    [{ a: 1 }, [{ a: long }]],
    [long, { a: long }, new Date(0), new Custom()],
    [1, 2, 3, 4, { a: long }],
    new Custom(),
    { a: long, custom: new Custom(), date: new Date(0) },
    { a: `${long}\ud800`, b: `\udc00${long}`, c: long },
    { toJSON: () => 7, a: long },
    { a: "x".repeat(4095), b: "y".repeat(4096) },
    { a: "x".repeat(1_000_000), b: "\x1b".repeat(100_000) },
    long,
    { [long]: "short", a: long },
    { a: "ü".repeat(300_000), b: "漢".repeat(300_000), c: "😀".repeat(300_000) },
  ];
}

test("JsonLinesWriter writes long texts as it writes short ones", async () => {
  const values = longValues();
  const { text, sizes } = await writtenText(values);
  const lines = text.split("\n");
  assertEquals(lines.pop(), "");
  assertEquals(lines.length, values.length);
  for (const [index, value] of values.entries()) assert(lines[index] === printableJson(value), `value ${index}`);
  assert(Math.max(...sizes.slice(0, 8)) <= 1024 * 1024);
});

test("JsonLinesWriter writes long texts without WebAssembly, too", async () => {
  const { WebAssembly: original } = globalThis;
  Object.assign(globalThis, { WebAssembly: undefined });
  try {
    const { text } = await writtenText(longValues());
    assert(text === longValues().map((value) => `${printableJson(value)}\n`).join(""));
  } finally {
    Object.assign(globalThis, { WebAssembly: original });
  }
});

test("JsonLinesWriter holds a lazy text until its line is written", async () => {
  const gate = Promise.withResolvers<void>();
  const events: string[] = [];
  const writer = new JsonLinesWriter({
    write: (bytes) => void events.push(decode(bytes)),
    ready: () => gate.promise,
  });
  const text = new LazyText(encode('a"é'), "utf8", () => events.push("released"));
  const object = { before: 1, text: "", after: [2] };
  defineLazyText(object, "text", text);
  await writer.write(object);
  text.release();
  assertEquals(events, []);
  gate.resolve();
  await writer.flush();
  assertEquals(events, ["released", '{"before":1,"text":"a\\"é","after":[2]}\n']);
});

test("JsonLinesWriter writes parts of a long line apart from other lines, and reuses the bytes of a part", async () => {
  const seen: Uint8Array[] = [];
  let text = "";
  const writer = new JsonLinesWriter({
    async write(bytes) {
      seen.push(bytes);
      await Promise.resolve();
      text += new TextDecoder().decode(bytes);
    },
  });
  const long = { a: "x".repeat(3_500_000) };
  await Promise.all([1, 2, long, 3, 4, long].map((value) => writer.write(value)));
  await writer.flush();
  const line = JSON.stringify(long) + "\n";
  assertEquals(text, `1\n2\n${line}3\n4\n${line}`);
  assert(seen.length > 6 && seen.every(({ length }) => length <= 1.5 * 1024 * 1024));
  assert(new Set(seen.map(({ buffer }) => buffer)).size < seen.length);
});

test("JsonLinesWriter writes the lines together that are added before the sink is ready", async () => {
  const writes: string[] = [];
  const gates: (() => void)[] = [];
  const writer = new JsonLinesWriter({
    write: (bytes) => void writes.push(new TextDecoder().decode(bytes)),
    ready: () => new Promise((resolve) => gates.push(resolve)),
  });
  await writer.write(1);
  await writer.write(2);
  assertEquals([writes, gates.length], [[], 1]);
  gates[0]!();
  await writer.flush();
  assertEquals(writes, ["1\n2\n"]);
  await writer.write(3);
  assertEquals(gates.length, 2);
  gates[1]!();
  await writer.flush();
  assertEquals(writes, ["1\n2\n", "3\n"]);
});

test("JsonLinesWriter stops within a long line when a write fails", async () => {
  let writes = 0;
  const writer = new JsonLinesWriter({
    write() {
      if (++writes === 2) throw new Error("disk full");
    },
  });
  await writer.write({ a: "x".repeat(2_000_000) });
  await assertRejects(() => writer.flush(), Error, "disk full");
  await assertRejects(() => writer.write(2), Error, "disk full");
  assertEquals(writes, 2);
});

test("write() rejects an object with a long text and a value that JSON cannot represent", async () => {
  let writes = 0;
  const writer = new JsonLinesWriter({ write: () => void writes++ });
  const a = "x".repeat(10_000);
  await assertRejects(() => writer.write({ a, b: 1n }), TypeError);
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  await assertRejects(() => writer.write({ a, circular }), TypeError);
  await writer.flush();
  assertEquals(writes, 0);
});
