/** The task reader: accepts exactly what an independent check of the documented fields accepts. */

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert/equals";
import { readTasks, type Task } from "../../mod.ts";
import { assertExpected, chunks, linesOf } from "./target.ts";

export const tokens = [
  ..."cmd id cwd env stdin stdinFile stdinEncoding timeoutMs retries after runIf priority uses slots meta".split(" ")
    .map((name) => `"${name}":`),
  ...'{ } [ ] " , : \n -1 0 0.5 1e999 1e16 9007199254740993 2147483648 null true "" "x" \\u0000 \\ud800 \\ud83d\\ude00'
    .split(" "),
  '"__proto__":',
  '"constructor":',
  '"A=B":',
  '"stdinEncoding":"base64"',
  ...["ok", "failed", "done"].map((word) => `"runIf":"${word}"`),
  '"uses":{"gpu":1}',
  '"after":["x"]',
  ...["AA==", "AAA=", "AB==", "====", "AAAA"].map((text) => `"${text}"`),
];

export const seeds = [
  '{"cmd":"echo hi"}\n{"id":"x","cmd":["gzip","-k","a b"],"cwd":"/tmp","env":{"A":"b"},"stdin":"","timeoutMs":0.5}',
  '{"cmd":["x"],"id":9007199254740991,"retries":3,"meta":{"__proto__":[null]}}\n{"cmd":"x","env":{"__proto__":"1"}}',
  '{"cmd":"x","cmd":["y",1]}\n{"cmd":""}\n{"cmd":[""]}\n{"cmd":"a\\u0000"}\n{"cmd":"\\ud800"}\n{"cmdd":1}\n7\n[]\n',
  '{"cmd":"x","id":0.59007199254740991}\n{"cmd":"x","meta":[0.1,-0,1e400,9007199254740993,1.0e2,0.59007199254740991]}\n',
  '{"cmd":"x","id":1e999}\n{"cmd":"x","timeoutMs":-1}\n{"cmd":"x","env":{"":"1"}}\n{"cmd":"x","__proto__":{}}\n',
  '{"cmd":"x","stdin":"AP8=","stdinEncoding":"base64"}\n{"cmd":"x","stdin":"AP9=","stdinEncoding":"base64"}\n',
  '{"id":"a","cmd":"x","after":["b",7],"runIf":"failed","priority":-1,"uses":{"gpu":1,"mem_gb":0},"slots":2}\n',
  '{"cmd":"x","after":"b"}\n{"id":1,"cmd":"x","after":[],"runIf":"failed"}\n{"id":1,"cmd":"x","runIf":"ok"}\n',
  '{"cmd":"x","uses":{"__proto__":1}}\n{"cmd":"x","uses":[]}\n{"cmd":"x","slots":0}\n{"cmd":"x","priority":1.5}\n',
  '{"cmd":"x","stdinFile":"a b"}\n{"cmd":"x","stdinFile":"/x","stdin":""}\n{"cmd":"x","stdin":{"file":"x"}}\n',
];

export async function fuzz(data: Uint8Array): Promise<void> {
  const expected: unknown[] = [];
  linesOf(data).forEach(({ text }, index) => {
    const value = parsed(text);
    if (!isTask(value)) return;
    const exact = parsed(text, markInexact) as Record<string, unknown>;
    if (isMarked(exact.id)) return; // two different numbers could have the same text
    expected.push({
      ...value,
      id: value.id ?? `${index + 1}`,
      ...(Object.hasOwn(exact, "meta") && { meta: exact.meta }),
    });
  });
  const tasks: unknown[] = [];
  for await (const task of readTasks(chunks(data, 7), { onInvalid: (error) => assertExpected(error) })) {
    tasks.push(Object.hasOwn(task, "meta") ? { ...task, meta: marked(task.meta) } : task);
  }
  assertEquals(tasks, expected);
}

type Reviver = (key: string, value: unknown, context: { source: string }) => unknown;

function parsed(text: string | undefined, reviver?: Reviver): unknown {
  try {
    return (JSON.parse as (text: string, reviver?: Reviver) => unknown)(text!, reviver);
  } catch {
    return undefined;
  }
}

const MARK = "\ufdd0"; // a noncharacter, which no text contains

/** Replaces a number that loses precision in JavaScript with a text. */
function markInexact(_key: string, value: unknown, { source }: { source: string }): unknown {
  if (typeof value !== "number" || isSameNumber(String(value), source)) return value;
  return MARK + source;
}

function isMarked(value: unknown): boolean {
  return typeof value === "string" && value.startsWith(MARK);
}

/** Replaces `JSON.rawJSON` objects as {@linkcode markInexact} does. */
function marked(value: unknown): unknown {
  return parsed(JSON.stringify(value), markInexact);
}

/** Compares decimal numbers as integers times a power of ten. */
function isSameNumber(one: string, other: string): boolean {
  const [[a, m], [b, n]] = [one, other].map(integerAndPower) as [[bigint, number], [bigint, number]];
  if (a === undefined || b === undefined) return false;
  if (a === 0n || b === 0n) return a === b;
  if (Math.abs(m - n) > 10_000) return false;
  return m > n ? a * 10n ** BigInt(m - n) === b : b * 10n ** BigInt(n - m) === a;
}

function integerAndPower(decimal: string): [bigint, number] | [undefined, number] {
  const [, whole, fraction = "", power = "0"] = /^(-?\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(decimal) ?? [];
  return whole === undefined ? [undefined, 0] : [BigInt(whole + fraction), Number(power) - fraction.length];
}

const FIELDS = "cmd id cwd env stdin stdinFile stdinEncoding timeoutMs retries after runIf priority uses slots meta"
  .split(" ");

function isTask(value: unknown): value is Task {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const fields = new Map(Object.entries(value));
  const isThen = (name: string, isRight: (value: unknown) => boolean) => !fields.has(name) || isRight(fields.get(name));
  return [...fields.keys()].every((name) => FIELDS.includes(name)) && isCommand(fields.get("cmd")) &&
    isThen("id", isId) &&
    isThen("cwd", (cwd) => isSystemText(cwd) && cwd !== "") &&
    isThen("env", isEnvironment) &&
    isThen("stdin", (stdin) => typeof stdin === "string") &&
    isThen("stdinFile", (path) => isSystemText(path) && path !== "" && !fields.has("stdin")) &&
    isThen("stdinEncoding", (encoding) => encoding === "base64" && isBase64(fields.get("stdin"))) &&
    isThen("timeoutMs", (ms) => typeof ms === "number" && ms > 0 && ms < 2 ** 31) &&
    isThen("retries", (count) => Number.isSafeInteger(count) && count as number >= 0) &&
    isThen("after", (after) => fields.has("id") && [after].flat().every(isId)) &&
    isThen("runIf", (runIf) => isCondition(runIf, fields.get("after"))) &&
    isThen("priority", Number.isSafeInteger) &&
    isThen("uses", isUse) &&
    isThen("slots", (count) => Number.isSafeInteger(count) && count as number >= 1);
}

function isId(id: unknown): boolean {
  return typeof id === "string" || typeof id === "number" && Math.abs(id) < 2 ** 53;
}

function isCondition(runIf: unknown, after: unknown): boolean {
  if (after === undefined) return false;
  return runIf === "ok" || runIf === "done" || runIf === "failed" && [after].flat().length > 0;
}

function isUse(uses: unknown): boolean {
  return typeof uses === "object" && uses !== null && !Array.isArray(uses) &&
    Object.entries(uses).every(([name, units]) =>
      /^[a-z]\w*$/i.test(name) && Number.isSafeInteger(units) && units >= 0
    );
}

function isBase64(text: unknown): boolean {
  return typeof text === "string" && Buffer.from(text, "base64").toString("base64") === text;
}

function isCommand(cmd: unknown): boolean {
  return Array.isArray(cmd)
    ? cmd.length > 0 && cmd.every(isSystemText) && cmd[0] !== ""
    : isSystemText(cmd) && cmd !== "";
}

function isEnvironment(env: unknown): boolean {
  return typeof env === "object" && env !== null && !Array.isArray(env) &&
    Object.entries(env).every(([name, value]) => /^[^=]+$/s.test(name) && isSystemText(name) && isSystemText(value));
}

function isSystemText(text: unknown): boolean {
  return typeof text === "string" && text.toWellFormed() === text && !text.includes("\0");
}
