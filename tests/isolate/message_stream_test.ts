import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import { MessageReader } from "../../isolate/message_reader.ts";
import { MessageWriter, type MessageWriterOptions } from "../../isolate/message_writer.ts";
import type { Message } from "../../isolate/protocol.ts";
import { FrameSigner, InvalidFrameError } from "../../isolate/signed_frames.ts";
import type { TaskResult } from "../../records/result.ts";
import { byteStream } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const KEY = "the key";

/** A writer, with its frames. A frame is written when its promise is resolved. */
function writerOf(options: Partial<MessageWriterOptions> = {}) {
  const frames: Uint8Array[] = [];
  const arrived: (() => void)[] = [];
  let write = (_bytes: Uint8Array) => Promise.resolve();
  const writer = new MessageWriter((bytes) => {
    frames.push(bytes);
    for (const resolve of arrived.splice(0)) resolve();
    return write(bytes);
  }, { key: KEY, maxWaiting: () => 100, mayWait: () => true, ...options });
  return {
    writer,
    frames,
    setWrite: (replacement: typeof write) => write = replacement,
    nextFrame: () => new Promise<void>((resolve) => arrived.push(resolve)),
  };
}

function messagesOf(frames: readonly Uint8Array[]): Promise<Message[]> {
  const bytes = new Uint8Array(frames.flatMap((frame) => [...frame]));
  return read(new MessageReader(byteStream(bytes), KEY));
}

async function read(reader: MessageReader): Promise<Message[]> {
  const messages: Message[] = [];
  for (let message = await reader.read(); message; message = await reader.read()) messages.push(message);
  return messages;
}

function resultOf(id: string, fields: Partial<TaskResult> = {}): TaskResult {
  const startedAt = "2026-01-02T03:04:05.678Z";
  return {
    id,
    status: 0,
    outcome: "ok",
    attempts: 1,
    slot: 1,
    startedAt,
    durationMs: 1,
    stdout: "",
    stderr: "",
    ...fields,
  };
}

/** Lets pending turns of the event loop pass. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test("MessageReader reads what MessageWriter wrote, with all digits of meta", async () => {
  const { writer, frames } = writerOf();
  const meta = JSON.parse('{"n":0}');
  meta.n = (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON("12345678901234567890");
  const messages: Message[] = [
    ["result", resultOf("é\n\u2028\u0000", { stdout: "\ud83d\ude00 1e5", meta })],
    ["result", resultOf("2", { cmdHash: "12e45678", durationMs: 1.5 })],
    ["unresolved", 3],
    ["end", {}],
  ];
  for (const message of messages) writer.add(...message);
  await writer.flush();
  assertEquals(frames.length, 1);
  const received = await messagesOf(frames);
  assertEquals(received.map((message) => JSON.stringify(message)), messages.map((message) => JSON.stringify(message)));
});

test("MessageWriter writes a message at the end of the turn when messages may not wait", async () => {
  const { writer, frames, nextFrame } = writerOf({ mayWait: () => false });
  const written = nextFrame();
  writer.add("unresolved", 1);
  writer.add("unresolved", 2);
  assertEquals(frames.length, 0);
  await written;
  assertEquals(await messagesOf(frames), [["unresolved", 1], ["unresolved", 2]]);
});

test("MessageWriter asks at the end of the turn whether messages may wait", async () => {
  let mayWait = true;
  const { writer, frames, nextFrame } = writerOf({ mayWait: () => mayWait });
  writer.add("unresolved", 1);
  mayWait = false;
  await nextFrame();
  assertEquals(await messagesOf(frames), [["unresolved", 1]]);
});

test("MessageWriter writes messages that may wait together, after a few milliseconds", async () => {
  const { writer, frames, nextFrame } = writerOf();
  const written = nextFrame();
  writer.add("unresolved", 1);
  await turns();
  writer.add("unresolved", 2);
  await written;
  const messages = await messagesOf(frames);
  assertEquals(messages[0], ["unresolved", 1]);
  await writer.flush();
  assertEquals(await messagesOf(frames), [["unresolved", 1], ["unresolved", 2]]);
});

test("MessageWriter lets a limited number of messages wait", async () => {
  const { writer, frames } = writerOf({ maxWaiting: () => 3 });
  for (const number of [1, 2, 3]) writer.add("unresolved", number);
  await Promise.resolve();
  assertEquals((await messagesOf(frames)).length, 3);
});

test("MessageWriter writes the messages that arrive during a write in the next frame", async () => {
  const { writer, frames, setWrite } = writerOf();
  const first = Promise.withResolvers<void>();
  setWrite(() => first.promise);
  writer.add("unresolved", 1);
  const flushed = writer.flush();
  await turns();
  writer.add("unresolved", 2);
  writer.setProgress({ total: undefined, finished: 0, failed: 0, running: 1, retrying: 0 });
  await turns();
  assertEquals(frames.length, 1);
  first.resolve();
  await flushed;
  assertEquals(frames.length, 2);
  assertEquals((await messagesOf(frames)).map(([name]) => name), ["unresolved", "unresolved", "progress"]);
});

test("MessageWriter writes only the latest progress, and flushes without messages", async () => {
  const { writer, frames } = writerOf();
  await writer.flush();
  assertEquals(frames.length, 0);
  for (const finished of [1, 2, 3]) {
    writer.setProgress({ total: undefined, finished, failed: 0, running: 1, retrying: 0 });
  }
  await writer.flush();
  const messages = await messagesOf(frames);
  assertEquals(messages.map(([name, content]) => [name, (content as { finished: number }).finished]), [[
    "progress",
    3,
  ]]);
});

test("MessageWriter is full while a megabyte is buffered, which does not wait", async () => {
  const { writer, frames } = writerOf();
  writer.add("notice", "short");
  assertEquals(writer.isFull, false);
  writer.add("notice", "x".repeat(1024 * 1024));
  assertEquals(writer.isFull, true);
  await Promise.resolve();
  assertEquals([writer.isFull, frames.length], [false, 1]);
});

test("MessageWriter throws the error of a failed write, also for later messages, and writes nothing more", async () => {
  const { writer, frames, setWrite } = writerOf();
  setWrite(() => Promise.reject(new Error("EPIPE")));
  writer.add("unresolved", 1);
  await assertRejects(() => writer.flush(), Error, "EPIPE");
  assertThrows(() => writer.add("unresolved", 2), Error, "EPIPE");
  writer.setProgress({ total: undefined, finished: 0, failed: 0, running: 1, retrying: 0 });
  await assertRejects(() => writer.flush(), Error, "EPIPE");
  assertEquals(frames.length, 1);
});

test("MessageReader returns the messages that have arrived without waiting", async () => {
  const { writer, frames } = writerOf();
  for (const number of [1, 2]) writer.add("unresolved", number);
  await writer.flush();
  const reader = new MessageReader(byteStream(frames[0]!), KEY);
  assertEquals([reader.hasMessage, reader.take()], [false, undefined]);
  assertEquals(await reader.read(), ["unresolved", 1]);
  assertEquals([reader.hasMessage, reader.take()], [true, ["unresolved", 2]]);
  assertEquals([reader.hasMessage, reader.take()], [false, undefined]);
  assertEquals(await reader.read(), undefined);
});

test("MessageReader rejects frames of another writer, and invalid lines", async () => {
  const frameOf = (line: string, key: string) => new FrameSigner(key).sign(new TextEncoder().encode(line));
  for (
    const [line, key, ErrorClass] of [
      ['["unresolved",1]\n', "another key", InvalidFrameError],
      ['["unknown",1]\n', KEY, TypeError],
      ["[\n", KEY, SyntaxError],
    ] as const
  ) {
    const reader = new MessageReader(byteStream(frameOf(line, key)), KEY);
    await assertRejects(() => reader.read(), ErrorClass);
  }
});
