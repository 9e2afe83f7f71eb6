/**
 * The process that runs tasks for another program: it reads them from a file, and what it is told from standard input, and
 * writes results to standard output. It ends, with all that it has started, when its caller does.
 *
 * @module
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { filePieces } from "../internal/file_pieces.ts";
import { writeStdout } from "../internal/stdout.ts";
import { readJsonLines } from "../jsonl_reader.ts";
import { JsonLinesWriter } from "../jsonl_writer.ts";
import { readTasks } from "../read_tasks.ts";
import { type Run, run } from "../runner.ts";
import { type Command, type End, MAX_LINE_BYTES, type Message, type Setup, TASKS_FILE } from "./protocol.ts";

/** Where this module is, for the program that starts it. */
export const ENTRY: string = import.meta.url;

async function main(directory: string): Promise<void> {
  setFlagsFromString("--optimize-for-size"); // as the command line tool does; others pass over the flag
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => stop.abort(new Error(`The process that ran the tasks was ended by ${signal}`)));
  }
  process.stdout.on("error", () => {}); // the write that fails says so
  const lines = readJsonLines(process.stdin, { onInvalid: () => {} });
  const first = await lines.next();
  try {
    if (!first.done) await runTasks(first.value.value as Setup, lines, join(directory, TASKS_FILE), stop);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runTasks(
  { token, options, wantsProgress }: Setup,
  lines: AsyncIterable<{ value: unknown }>,
  path: string,
  stop: AbortController,
): Promise<void> {
  const writer = new JsonLinesWriter({ write: writeStdout });
  const send = (...message: Message) => writer.write([token, ...message]);
  const end: End = {};
  try {
    const results = run(readTasks(filePieces(path), { maxLineBytes: MAX_LINE_BYTES }), {
      ...options,
      signal: stop.signal,
      ...(wantsProgress && { onProgress: (progress) => void send("progress", progress).catch(() => {}) }),
    });
    obey(lines as AsyncIterable<{ value: [string, ...Command] }>, token, results, stop);
    for await (const result of results) await send("result", result);
    end.haltedBy = results.haltedBy;
  } catch (error) {
    const { name, message } = error as Error;
    end.error = { name, message };
  }
  await send("end", end).catch(() => {}); // a caller that has gone need not know
  await writer.flush().catch(() => {});
}

async function obey(
  lines: AsyncIterable<{ value: [token: string, ...Command] }>,
  token: string,
  results: Run,
  stop: AbortController,
): Promise<void> {
  for await (const { value } of lines) {
    const [givenToken, name, number] = value;
    if (givenToken !== token) continue;
    if (name === "concurrency") results.concurrency = number;
    else if (name === "drain") results.drain();
    else if (name === "stop") stop.abort();
    else if (name === "kill") results.kill();
  }
  await results.return(); // the caller has gone
}

// Node before 24.2 has no import.meta.main.
if (import.meta.main ?? process.argv[1] === import.meta.filename) {
  await main(process.argv[2]!);
  process.exit(0);
}
