import { assertEquals } from "@std/assert/equals";
import { isBuiltinCommand } from "../../executors/shell/builtin_command.ts";
import { classifyCommand } from "../../executors/shell/plain_command.ts";
import { run, type Task } from "../../mod.ts";
import { collect } from "../support/helpers.ts";
import { test } from "../support/test.ts";

test("isBuiltinCommand() finds commands that only print", () => {
  const builtins = [
    "echo",
    " echo a 'b*' \"$c ?\"",
    "true",
    "\tfalse ",
    ": a=b",
    "echo 1 x:y a/b",
    "echo 'a\nb'",
    "echo ''",
  ];
  const others = ["echo *", "echo $a", "echo a?", "echo [a]", "echo ~", "A=1 echo", 'echo"x"', "echo2", "'echo' a"];
  const differentPrograms = ["printf a", "/bin/echo a", "./true", "test a", "pwd"];
  for (const command of builtins) assertEquals([command, isBuiltinCommand(command)], [command, true]);
  for (const command of [...others, ...differentPrograms]) {
    assertEquals([command, isBuiltinCommand(command)], [command, false]);
  }
  // The function is called for simple commands only.
  assertEquals(builtins.map(classifyCommand).filter((kind) => kind !== "simple"), []);
});

test("a command of the worker itself reports its output, status and time, and leaves the worker as it was", async () => {
  const commands = [
    "echo a",
    "false",
    'echo "$TASKRUNNER_ID"',
    ": b",
    "true",
    "echo $?",
    "echo 'a\nb' \"$A\"",
    "echo -n x",
  ];
  const tasks = commands.map((cmd) => ({ cmd }));
  const results = await collect(run(tasks, { concurrency: 1, keepOrder: true }));
  assertEquals(
    results.map(({ status, stdout, stderr, outcome }) => [status, stdout, stderr, outcome]),
    [
      [0, "a\n", "", "ok"],
      [1, "", "", "failed"],
      [0, "3\n", "", "ok"],
      [0, "", "", "ok"],
      [0, "", "", "ok"],
      [0, "0\n", "", "ok"],
      [0, "a\nb \n", "", "ok"],
      [0, "x", "", "ok"],
    ],
  );
});

test("a command of the worker itself honors the fields of its task", async () => {
  const tasks: Task[] = [
    { cmd: 'echo "$PWD"', cwd: "/" },
    { cmd: 'echo "$A"', env: { A: "b" } },
    { cmd: "echo a", stdin: "input" },
    { cmd: "echo a", stdinFile: "/no/such/file" },
    { cmd: "echo b", timeoutMs: 60_000 },
    { cmd: 'echo "[$A]"' },
  ];
  const results = await collect(run(tasks, { concurrency: 1, keepOrder: true }));
  assertEquals(
    results.map(({ stdout, outcome }) => [stdout, outcome]),
    [["/\n", "ok"], ["b\n", "ok"], ["a\n", "ok"], ["", "not-started"], ["b\n", "ok"], ["[]\n", "ok"]],
  );
});
