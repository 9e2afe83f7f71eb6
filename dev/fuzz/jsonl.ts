/** The JSON Lines reader and writer: agree with splitting the whole input and `JSON.parse`. */

import { assertEquals } from "@std/assert/equals";
import { type InvalidLineError, JsonLinesWriter, readJsonLines } from "../../jsonl/mod.ts";
import { jsonLineReader } from "../../jsonl/jsonl_reader.ts";
import { assertExpected, chunks, linesOf } from "./target.ts";

type Event = { lineNumber: number; value?: unknown };

export const tokens = [
  ...'{ } [ ] " : , \n \r\n \t \\ \\u -0 1e999 1 true null {} [] "a" "__proto__": \u2028 \0 \ufeff \\ud800'.split(" "),
];

export const seeds = [
  '\0\xff{"a":1}\n[2]\r\n\n"three"\n',
  '\x03\xff\ufeff{"a":"é😀"}\n \t\r\n{"__proto__":1,"a":[null,true]}',
  '\x01\x04"1234"\n12345\n123456\n7',
  '\0\xff{"a":\n-0\n1e999\n"\\ud800"\n',
  new Uint8Array([0, 255, 0x22, 0xff, 0x22, 0x0a, 0x22, 0xed, 0xa0, 0x80, 0x22]),
];

/** Takes the chunk size from the first byte and the line limit from the second. */
export async function fuzz(data: Uint8Array): Promise<void> {
  const [chunkBytes = 0, limit = 255] = data;
  const bytes = data.subarray(2);
  const maxLineBytes = limit < 128 ? limit + 1 : 64 * 1024 * 1024;
  const expected = eventsOf(bytes, maxLineBytes);

  for (const size of [chunkBytes % 16 + 1, Math.max(1, bytes.length)]) {
    const events: Event[] = [];
    const onInvalid = (error: InvalidLineError) => {
      assertExpected(error);
      events.push({ lineNumber: error.lineNumber });
    };
    const options = { maxLineBytes, onInvalid };
    for await (const line of readJsonLines(chunks(bytes, size), options)) events.push(line);
    assertEquals(events, expected);
    const { length } = expected.filter((event) => "value" in event);
    assertEquals(await jsonLineReader(chunks(bytes, size), options).count(), length);
  }
  await assertRoundTrip(expected.flatMap((event) => "value" in event ? [event.value] : []));
}

/** Returns the expected values and the numbers of invalid lines. */
function eventsOf(bytes: Uint8Array, maxLineBytes: number): Event[] {
  return linesOf(bytes).flatMap(({ text, bytes }, index): Event[] => {
    const lineNumber = index + 1;
    if (bytes > maxLineBytes || text === undefined) return [{ lineNumber }];
    if (/^[ \t\r]*$/.test(text)) return [];
    try {
      return [{ lineNumber, value: JSON.parse(text) }];
    } catch {
      return [{ lineNumber }];
    }
  });
}

async function assertRoundTrip(values: unknown[]): Promise<void> {
  const written: Uint8Array[] = [];
  const writer = new JsonLinesWriter({ write: (bytes) => void written.push(bytes) });
  for (const value of values) await writer.write(value);
  await writer.flush();
  const read: unknown[] = [];
  for await (const { value } of readJsonLines(written)) read.push(value);
  assertEquals(read, JSON.parse(JSON.stringify(values)));
}
