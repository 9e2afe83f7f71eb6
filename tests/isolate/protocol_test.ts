import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { commandOf } from "../../isolate/protocol.ts";
import { test } from "../support/test.ts";

test("commandOf() returns the commands of the caller, and ignores the lines of other writers", () => {
  const commands = [["taken", 64], ["tasks", 0], ["complete"], ["concurrency", 2], ["drain"], ["stop"], ["kill"]];
  for (const command of commands) assertEquals(commandOf(["secret", ...command], "secret") as unknown, command);
  const lines = [["other", "kill"], ["kill"], [], {}, null, "secret", { 0: "secret", 1: "kill" }];
  for (const line of lines) assertEquals(commandOf(line, "secret"), undefined);
});

test("commandOf() rejects unknown commands and wrong numbers, and does not show the token", () => {
  const commands = [
    [],
    ["run"],
    ["kill", 1],
    ["tasks"],
    ["tasks", -1],
    ["tasks", 1.5],
    ["tasks", "1"],
    ["tasks", 1, 2],
    ["taken", 2 ** 53],
    ["concurrency", null],
  ];
  for (const command of commands) {
    const { message } = assertThrows(() => commandOf(["secret", ...command], "secret"), TypeError);
    assertEquals(
      message,
      `Cannot read the command: it must be a known name and its number, got ${JSON.stringify(command)}`,
    );
  }
});
