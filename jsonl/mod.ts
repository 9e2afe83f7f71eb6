/**
 * Reads and writes JSON Lines: one JSON value per line, in UTF-8, as specified at https://jsonlines.org.
 *
 * @example Copy records from a stream to a sink
 * ```ts
 * import { JsonLinesWriter, readJsonLines } from "@x/taskrunner/jsonl";
 * import { assertEquals } from "@std/assert/equals";
 *
 * let copy = "";
 * const writer = new JsonLinesWriter({ write: (bytes) => void (copy += new TextDecoder().decode(bytes)) });
 * for await (const { value } of readJsonLines(new Blob(['{"a": 1}\r\n\n{"b": 2}']).stream())) {
 *   await writer.write(value);
 * }
 * await writer.flush();
 * assertEquals(copy, '{"a":1}\n{"b":2}\n');
 * ```
 *
 * @module
 */

export { type JsonLine, readJsonLines, type ReadJsonLinesOptions } from "./jsonl_reader.ts";
export * from "./jsonl_writer.ts";
export { InvalidLineError } from "./line_reader.ts";
export type { Source } from "./source.ts";
