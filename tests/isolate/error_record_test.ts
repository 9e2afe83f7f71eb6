import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { ExecutorError, InvalidLineError, InvalidTaskError, ResourceShortageError } from "../../mod.ts";
import { fromErrorRecord, toErrorRecord } from "../../isolate/error_record.ts";
import { checkMessage } from "../../isolate/protocol.ts";
import { test } from "../support/test.ts";

/** Sends an error as the process does. */
function sent(error: unknown): Error {
  const message = checkMessage(JSON.parse(JSON.stringify(["end", { error: toErrorRecord(error) }])));
  assert(message[0] === "end");
  return fromErrorRecord(message[1].error!);
}

test("fromErrorRecord() keeps the class, the fields and the causes", () => {
  const errors = [
    new InvalidTaskError("why", { field: "cmd", number: 3, lineNumber: 4 }),
    new InvalidTaskError("why"),
    new InvalidLineError(5, "why", { cause: new InvalidTaskError("why", { field: "id", lineNumber: 5 }) }),
    new ExecutorError("why", { cause: Object.assign(new Error("no file"), { code: "ENOENT" }) }),
    new ResourceShortageError("why"),
    new RangeError("why"),
    new TypeError("why", { cause: new SyntaxError("inner") }),
    new Error("why"),
  ];
  for (const error of errors) {
    const copy = sent(error);
    assertEquals([copy.constructor, copy.name, copy.message], [error.constructor, error.name, error.message]);
    for (const key of ["field", "number", "lineNumber", "problem"] as const) {
      assertEquals(Reflect.get(copy, key), Reflect.get(error, key));
    }
    if (!(error.cause instanceof Error)) assertEquals("cause" in copy, false);
    else assertEquals(toErrorRecord(copy.cause), toErrorRecord(error.cause));
  }
});

test("fromErrorRecord() makes an Error with the name of any other class", () => {
  const { constructor, name, message } = sent(new DOMException("too late", "TimeoutError"));
  assertEquals([constructor, name, message], [Error, "TimeoutError", "too late"]);
  assertEquals(sent("only text").message, "only text");
});

test("toErrorRecord() leaves out causes that are not errors, and truncates a cycle of causes", () => {
  assertEquals("cause" in toErrorRecord(new Error("why", { cause: 5 })), false);
  const cycle = new Error("cycle");
  cycle.cause = cycle;
  let depth = 0;
  for (let error: unknown = sent(cycle); error instanceof Error; error = error.cause) depth++;
  assertEquals(depth, 9);
});

test("checkMessage() rejects values that are not messages, and an end with an unknown error", () => {
  assertEquals(checkMessage(["end", {}]), ["end", {}]);
  assertEquals(checkMessage(["notice", "text"]), ["notice", "text"]);
  const error = { name: "Error", message: "why" };
  const wrong: unknown[] = [
    null,
    {},
    [],
    ["end"],
    ["end", {}, 1],
    ["result"],
    ["stop", {}],
    ["__proto__", {}],
    ["end", null],
    ["end", { error: "why" }],
    ["end", { error, more: 1 }],
    ["end", { error: { ...error, more: 1 } }],
    ["end", { error: { message: "why" } }],
    ["end", { error: { ...error, code: 5 } }],
    ["end", { error: { ...error, cause: "why" } }],
    ["end", { error: { ...error, cause: { ...error, message: 5 } } }],
    ["end", { error: { name: "InvalidTaskError", message: "why" } }],
    ["end", { error: { name: "InvalidTaskError", problem: "why", number: 0 } }],
    ["end", { error: { name: "InvalidTaskError", problem: "why", field: 1 } }],
    ["end", { error: { name: "InvalidLineError", problem: "why" } }],
    ["end", { error: { name: "ExecutorError", problem: "why" } }],
  ];
  for (const value of wrong) assertThrows(() => checkMessage(value), TypeError, "Cannot read the message: ");
});
