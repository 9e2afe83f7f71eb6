/** Checks what a contender has written. @module */

import { Buffer } from "node:buffer";
import { createReadStream } from "node:fs";

const LF = 0x0a;
/** Lines of at most this size are parsed; of longer ones, only the start is read. */
const HEAD_BYTES = 1_000;
/** The first fields of a successful result. */
const OK = /^\{"id":"([^"\\]*)","status":0,"outcome":"ok",/;

/** Returns the number of lines in a file. */
export async function countLines(path: string): Promise<number> {
  let lines = 0;
  for await (const _ of lineHeads(path)) lines++;
  return lines;
}

/**
 * Returns the number of results in a file. Throws for a result that is not `ok` or has the id of another one; with
 * `echoesNumber` also for a task whose output is not its id.
 */
export async function countResults(path: string, echoesNumber = false): Promise<number> {
  const ids = new Set<string>();
  for await (const head of lineHeads(path)) {
    const id = OK.exec(head)?.[1];
    if (id === undefined || ids.has(id)) throw new Error(`Wrong result: ${head.slice(0, 200)}`);
    ids.add(id);
    if (echoesNumber && JSON.parse(head).stdout !== `${id}\n`) throw new Error(`Wrong output: ${head}`);
  }
  return ids.size;
}

/** Yields the first bytes of each line, without keeping long lines in memory. */
async function* lineHeads(path: string): AsyncGenerator<string> {
  let head = "";
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 }) as AsyncIterable<Uint8Array>) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end; (end = bytes.indexOf(LF, start)) !== -1; start = end + 1) {
      yield headOf(head, bytes, start, end);
      head = "";
    }
    head = headOf(head, bytes, start, bytes.length);
  }
  if (head !== "") yield head;
}

function headOf(head: string, bytes: Buffer, start: number, end: number): string {
  const more = Math.min(end - start, HEAD_BYTES - head.length);
  return head + bytes.toString("latin1", start, start + more);
}
