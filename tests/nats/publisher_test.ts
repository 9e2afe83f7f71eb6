import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { isMissing, isTaken } from "../../nats/client/connection.ts";
import { Outbox } from "../../nats/client/outbox.ts";
import type { Message, MessageHeaders, NatsConnection, TransportPackage } from "../../nats/client/packages.ts";
import { StreamPublisher } from "../../nats/client/publisher.ts";
import { waitFor } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** A message as the fake connection has sent it. */
interface Sent {
  subject: string;
  reply: string;
  headers: Record<string, string>;
}

/** Returns a publisher with a connection to a fake server. */
function fakeServer({ timeoutMs = 60_000 } = {}) {
  const sent: Sent[] = [];
  const closed = Promise.withResolvers<Error | void>();
  const statuses: { type: string; error?: Error }[] = [];
  let wake = () => {};
  let receive!: (error: Error | null, message: Message) => void;
  const headers = () => {
    const fields: Record<string, string> = {};
    return { fields, code: 0, has: () => false, set: (name: string, value: string) => fields[name] = value };
  };
  const connection = {
    subscribe: (_subject: string, { callback }: { callback: typeof receive }) => receive = callback,
    publish: (subject: string, _payload: Uint8Array, options: { reply: string; headers: { fields: object } }) => {
      if (subject === "closed") throw new Error("the connection is closed");
      sent.push({ subject, reply: options.reply, headers: { ...options.headers.fields } });
    },
    closed: () => closed.promise,
    async *status() {
      while (true) {
        yield* statuses.splice(0);
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
  };
  const publisher = new StreamPublisher(connection as unknown as NatsConnection, {
    outbox: new Outbox(),
    transport: { createInbox: (prefix?: string) => `${prefix}.inbox`, headers } as unknown as TransportPackage,
    inboxPrefix: "mine",
    timeoutMs,
  });
  const message = (subject: string, data: string, code = 0) => ({
    subject,
    data: new TextEncoder().encode(data),
    headers: { code } as MessageHeaders,
    respond: () => true,
  });
  return {
    publisher,
    sent,
    close: closed.resolve,
    confirm: (index: number, reply: unknown) => receive(null, message(sent[index]!.reply, JSON.stringify(reply))),
    confirmRaw: (reply: string, data: string, code?: number) => receive(null, message(reply, data, code)),
    report: (error: Error) => {
      statuses.push({ type: "error", error });
      wake();
    },
  };
}

const NOTHING = new Uint8Array();
const options = { stream: "s", isOnly: true };

test("StreamPublisher sends the messages of a turn together, and confirms each by its sequence number", async () => {
  const { publisher, sent, confirm, confirmRaw } = fakeServer();
  const first = publisher.publish("a", NOTHING, options);
  const second = publisher.publish("b", NOTHING, { stream: "s", messageId: "id" });
  assertEquals(sent, []);
  await waitFor("the messages", () => sent.length === 2);
  assertEquals(sent.map(({ subject }) => subject), ["a", "b"]);
  assertEquals(sent.map(({ headers }) => headers), [
    { "Nats-Expected-Stream": "s", "Nats-Expected-Last-Subject-Sequence": "0" },
    { "Nats-Expected-Stream": "s", "Nats-Msg-Id": "id" },
  ]);
  confirmRaw("mine.inbox.other", '{"seq":9}');
  confirm(1, { seq: 8, duplicate: true });
  confirm(0, { seq: 7 });
  confirm(0, { seq: 6 });
  assertEquals(await Promise.all([first, second]), [7, 8]);
});

test("StreamPublisher rejects a message with the error of the server", async () => {
  const { publisher, sent, confirm, confirmRaw } = fakeServer();
  const messages = ["taken", "missing", "nowhere", "json", "sequence"].map((subject) =>
    publisher.publish(subject, NOTHING, options).catch((error) => error)
  );
  await waitFor("the messages", () => sent.length === 5);
  confirm(0, { error: { code: 400, err_code: 10071, description: "wrong last sequence: 5" } });
  confirm(1, { error: { code: 404, err_code: 10059, description: "stream not found" } });
  confirmRaw(sent[2]!.reply, "", 503);
  confirmRaw(sent[3]!.reply, "{");
  confirm(4, { seq: "5" });
  const errors = await Promise.all(messages);
  assertEquals([isTaken(errors[0]), errors[0].status, isMissing(errors[1])], [true, 400, true]);
  assertEquals(errors.map(({ message }) => message), [
    "wrong last sequence: 5",
    "stream not found",
    "no stream takes the message",
    "it is not valid JSON",
    "the confirmation of the server is invalid",
  ]);
});

test("StreamPublisher rejects messages that are forbidden, late, or on a closed connection", async () => {
  const { publisher, sent, report, close } = fakeServer();
  const forbidden = publisher.publish("forbidden", NOTHING, options);
  const waiting = publisher.publish("waiting", NOTHING, options);
  waiting.catch(() => {});
  await waitFor("the messages", () => sent.length === 2);
  report(Object.assign(new Error("no permission"), { subject: "forbidden" }));
  await assertRejects(() => forbidden, Error, "no permission");
  close(new Error("the login has expired"));
  await assertRejects(() => waiting, Error, "the login has expired");
  await assertRejects(() => publisher.publish("closed", NOTHING, options), Error, "the connection is closed");

  const slow = fakeServer({ timeoutMs: 1 });
  await assertRejects(
    () => slow.publisher.publish("a", NOTHING, options),
    Error,
    "the server has not confirmed a message in time",
  );
});

test("StreamPublisher.createMessageId() never returns an id twice, also not in another program", () => {
  const ids = [fakeServer(), fakeServer()].flatMap(({ publisher }) =>
    Array.from({ length: 100 }, () => publisher.createMessageId())
  );
  assertEquals(new Set(ids).size, 200);
});

test("Outbox performs all actions of a turn in order, even if one fails", async () => {
  const outbox = new Outbox();
  const performed: number[] = [];
  outbox.add(() => performed.push(1));
  outbox.add(() => {
    throw new Error("the connection is closed");
  });
  outbox.add(() => performed.push(2));
  assertEquals(performed, []);
  await waitFor("the actions", () => performed.length === 2);
  outbox.add(() => performed.push(3));
  await waitFor("the last action", () => performed.length === 3);
  assertEquals(performed, [1, 2, 3]);
});
