/** Messages between workers and runs over NATS: every accepted message is valid wherever it is used. */

import { assert } from "@std/assert/assert";
import { parseResult, parseTask } from "../../mod.ts";
import {
  checkConfig,
  checkControl,
  checkMessage,
  checkReply,
  checkResult,
  checkTaskMessage,
  maxResultBytes,
} from "../../nats/client/check_message.ts";
import { decode, PROTOCOL_VERSION } from "../../nats/client/protocol.ts";
import { toResult } from "../../pool/outcome.ts";
import { factsOf } from "../../results/statistics/results_reader.ts";
import { assertExpected } from "./target.ts";

const FIELDS =
  "value object id bytes sha256 ending kind status signal reason stoppedBy place slot startedAt worker host pid " +
  "outputError durationMs userMs systemMs stdout stderr text encoding running killAfterMs task cmd cwd env stdin stdinFile stdinEncoding number " +
  "timeoutMs shell maxInlineBytes maxOutputBytes ackWaitMs version __proto__ file";

export const tokens = [
  ...FIELDS.split(" ").map((name) => `"${name}":`),
  ..."exited signaled spawn-failed no-resources lost withdrawn canceled output-limit timeout base64 SIGKILL AP8= sh"
    .split(" ").map((word) => `"${word}"`),
  ...'{ } [ ] " , : null 0 -1 0.5 255 256 1e300 1e999 9007199254740992 \\u0000 \\ud800 \\x \ufeff \0'.split(" "),
  '"2026-01-02T03:04:05.678Z"',
  '"2026-02-30T00:00:00.000Z"',
  '"2026-02-03 10:00:00Z"',
  `"${"0".repeat(64)}"`,
  `{"id":"a","bytes":9,"sha256":"${"0".repeat(64)}"}`,
];

const LIMITS = { maxInlineBytes: 8, maxOutputBytes: 64 };
const place = { slot: 3, startedAt: "2026-01-02T03:04:05.678Z", worker: { host: "h", pid: 7 } };
const end = {
  ending: { kind: "exited", status: 0 },
  durationMs: 1.5,
  stdout: { text: "hi\n" },
  stderr: { text: "AP8=", encoding: "base64" },
};
const object = { id: "a1", bytes: 9, sha256: "0".repeat(64) };
const task = { id: "1", cmd: ["echo", "$x"], env: { A: "b" }, timeoutMs: 5, meta: [1] };

export const seeds = [
  { value: { ...end, place, userMs: 0.1, systemMs: 2 } },
  {
    value: {
      ...end,
      ending: { kind: "signaled", signal: "SIGKILL", status: 137 },
      stoppedBy: "timeout",
      outputError: "it is cut",
    },
  },
  { value: { ...end, ending: { kind: "lost", reason: "it has gone" }, stdout: { text: "first", bytes: 9, object } } },
  { value: { ...end, ending: { kind: "spawn-failed", status: 127, reason: "there is none" } } },
  { value: { ...end, ending: { kind: "exited", status: 256 } } },
  { value: { ...end, ending: { kind: "withdrawn" } } },
  { value: { ...end, durationMs: 1e300 } },
  { value: { ...end, place: { ...place, startedAt: "2026-02-03 10:00:00Z" } } },
  { value: { ...end, stdout: { text: "AP8", encoding: "base64" } } },
  { value: { ...end, stdout: { text: "12345678", bytes: 65 } } },
  { value: { task, id: "1", number: 2, timeoutMs: 1e300 } },
  { value: { task, id: "1", number: 2, timeoutMs: 7.5 } },
  { value: { task: { ...task, "cn\x7f": {} }, id: "1", number: 2 } },
  { value: { task: "\x7f\u2028", id: "1", number: 2 } },
  { object },
  { running: ["a", "b"] },
  { killAfterMs: 5_000 },
  {
    version: PROTOCOL_VERSION,
    shell: "sh",
    maxInlineBytes: 8,
    maxOutputBytes: null,
    ackWaitMs: 30_000,
    killAfterMs: 0,
  },
].map((seed) => JSON.stringify(seed));

export function fuzz(data: Uint8Array): void {
  const message = attempt(() => decode(data));
  if (message === undefined) return;
  const reply = attempt(() => checkReply(message));
  if (reply) assert(reply.running.every((key) => typeof key === "string"));
  const control = attempt(() => checkControl(message));
  if (control) assertTimer(control.killAfterMs);
  const config = attempt(() => checkConfig(message));
  if (config) {
    for (const ms of [config.ackWaitMs, config.killAfterMs]) assertTimer(ms);
    assert(config.ackWaitMs > 0 && Number.isSafeInteger(config.maxInlineBytes) && config.shell !== "");
    assert(maxResultBytes(config) < 2 ** 30);
  }
  const unpacked = attempt(() => checkMessage(message));
  if (unpacked && "object" in unpacked) assert(/^[^.*> ]+$/.test(unpacked.object.id));
  else if (unpacked) fuzzValue(unpacked.value);
}

function fuzzValue(value: unknown): void {
  const asked = attempt(() => checkTaskMessage(value));
  if (asked) {
    parseTask(asked.task);
    assertTimer(asked.timeoutMs);
    assert(Number.isSafeInteger(asked.number) && asked.number >= 1);
  }
  const result = attempt(() => checkResult(value, LIMITS));
  if (!result) return;
  assert(["exited", "signaled", "spawn-failed", "lost"].includes(result.ending.kind));
  for (const output of [result.stdout, result.stderr]) {
    assert(!("file" in output));
    assert((output.object?.bytes ?? 0) <= LIMITS.maxOutputBytes);
  }
  const meta = {
    id: "1",
    attempts: 1,
    slot: 1,
    startedAt: "2026-01-02T03:04:05.678Z",
    ...result.place,
    cmdHash: "",
    workflow: undefined,
  };
  const line = JSON.stringify(toResult(meta, result, result.stoppedBy, undefined));
  assert(line.length <= maxResultBytes(LIMITS));
  const { outcome, status } = parseResult(JSON.parse(line));
  assert(status !== 0 || ["ok", "failed", "canceled", "output-limit"].includes(outcome), line);
  const { startedMs, durationMs } = factsOf(JSON.parse(line));
  assert(!Number.isNaN(new Date(startedMs + durationMs).getTime()), line);
}

/** Returns the value of an action, or `undefined` if it fails with the expected error. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    assertExpected(error, TypeError);
    assert((error as Error).message.length < 1_000, "a long message");
    return undefined;
  }
}

function assertTimer(ms: number | undefined): void {
  assert(ms === undefined || ms >= 0 && ms < 2 ** 31, `${ms} ms`);
}
