/** The reader of tasks: what it takes is what the table of fields says, by a check that is written from that. */

import { assertEquals } from "@std/assert/equals";
import { readTasks, type Task } from "../../mod.ts";
import { assertExpected, linesOf, pieces } from "./target.ts";

export const tokens = [
  ..."cmd id cwd env stdin timeoutMs retries meta".split(" ").map((name) => `"${name}":`),
  ...'{ } [ ] " , : \n -1 0 0.5 1e999 1e16 9007199254740993 2147483648 null true "" "x" \\u0000 \\ud800 \\ud83d\\ude00'
    .split(" "),
  '"__proto__":',
  '"constructor":',
  '"A=B":',
];

export const seeds = [
  '{"cmd":"echo hi"}\n{"id":"x","cmd":["gzip","-k","a b"],"cwd":"/tmp","env":{"A":"b"},"stdin":"","timeoutMs":0.5}',
  '{"cmd":["x"],"id":9007199254740991,"retries":3,"meta":{"__proto__":[null]}}\n{"cmd":"x","env":{"__proto__":"1"}}',
  '{"cmd":"x","cmd":["y",1]}\n{"cmd":""}\n{"cmd":[""]}\n{"cmd":"a\\u0000"}\n{"cmd":"\\ud800"}\n{"cmdd":1}\n7\n[]\n',
  '{"cmd":"x","id":1e999}\n{"cmd":"x","timeoutMs":-1}\n{"cmd":"x","env":{"":"1"}}\n{"cmd":"x","__proto__":{}}\n',
];

export async function fuzz(data: Uint8Array): Promise<void> {
  const expected: Task[] = [];
  linesOf(data).forEach(({ text }, index) => {
    const value = parsed(text);
    if (isTask(value)) expected.push({ ...value, id: value.id ?? `${index + 1}` });
  });
  const tasks: Task[] = [];
  for await (const task of readTasks(pieces(data, 7), { onInvalid: (error) => assertExpected(error) })) {
    tasks.push(task);
  }
  assertEquals(tasks, expected);
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text!);
  } catch {
    return undefined;
  }
}

const FIELDS = ["cmd", "id", "cwd", "env", "stdin", "timeoutMs", "retries", "meta"];

function isTask(value: unknown): value is Task {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const fields = new Map(Object.entries(value));
  const isThen = (name: string, isRight: (value: unknown) => boolean) => !fields.has(name) || isRight(fields.get(name));
  return [...fields.keys()].every((name) => FIELDS.includes(name)) && isCommand(fields.get("cmd")) &&
    isThen("id", (id) => typeof id === "string" || typeof id === "number" && Math.abs(id) < 2 ** 53) &&
    isThen("cwd", (cwd) => isSystemText(cwd) && cwd !== "") &&
    isThen("env", isEnvironment) &&
    isThen("stdin", (stdin) => typeof stdin === "string") &&
    isThen("timeoutMs", (ms) => typeof ms === "number" && ms > 0 && ms < 2 ** 31) &&
    isThen("retries", (count) => Number.isSafeInteger(count) && count as number >= 0);
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
