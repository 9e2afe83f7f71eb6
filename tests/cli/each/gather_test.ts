import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { commandsOf, sourcesOf } from "../../support/each_input.ts";
import { lacks, shell } from "../../support/helpers.ts";
import { test } from "../../support/test.ts";

test("-n gathers values, and the last group may be smaller", async () => {
  const options = { flags: { "max-args": 2 }, sources: sourcesOf("::: a b c") };
  assertEquals(await commandsOf(["echo"], options), [`echo 'a' 'b'`, `echo 'c'`]);
  assertEquals(await commandsOf(["echo", "-v"], options), [["echo", "-v", "a", "b"], ["echo", "-v", "c"]]);
  assertEquals(await commandsOf(["echo {1}-{2} {-1} {.}"], options), [
    "echo 'a'-'b' 'b' 'a' 'b'",
    "echo 'c'-'' 'c' 'c'",
  ]);
  const columns = { flags: { "max-args": 2, colsep: "," }, stdin: "a,b\nc,d\ne,f\n" };
  assertEquals(await commandsOf(["echo", "{}"], columns), [["echo", "a", "b", "c", "d"], ["echo", "e", "f"]]);
  const product = { flags: { "max-args": 2 }, sources: sourcesOf("::: a b", "::: 1 2") };
  assertEquals(await commandsOf(["echo {}"], product), ["echo 'a' '1' 'a' '2'", "echo 'b' '1' 'b' '2'"]);
});

test("an argument with {} and text is repeated for each gathered value, as in GNU parallel -X", async () => {
  const options = { flags: { "max-args": 2 }, sources: sourcesOf("::: d/a.x b c") };
  assertEquals(await commandsOf(["echo", "x{}y{/.}", "{#}"], options), [
    ["echo", "xd/a.xya", "xbyb", "1"],
    ["echo", "xcyc", "2"],
  ]);
});

test("-n 1 is the same as no -n", async () => {
  const sources = sourcesOf("::: a b");
  assertEquals(await commandsOf(["x{}y"], { flags: { "max-args": 1 }, sources }), ["x'a'y", "x'b'y"]);
});

test("-n max fills commands of 128 KiB as xargs does", async () => {
  const values = Array.from({ length: 40_000 }, (_, index) => `value number ${index * 7919}`);
  const stdin = `${values.join("\n")}\n`;
  const commands = await commandsOf(["echo"], { flags: { "max-args": "max" }, stdin });
  const arrays = await commandsOf(["echo", "{}"], { flags: { "max-args": "max" }, stdin }) as string[][];
  assertEquals(arrays.flatMap(([, ...group]) => group), values);
  assert(commands.length > 5 && commands.every((command) => command.length <= 128 * 1024));
  if (lacks("xargs")) return;
  const { stdout } = await shell(`xargs -d '\\n' sh -c 'echo $#' sh`, { stdin });
  // The words of xargs are sh, -c, the script and sh, and those of taskrunner must be as long.
  const words = ["sh", "-c", "echo $#", "sh"];
  const own = await commandsOf([...words, "{}"], { flags: { "max-args": "max" }, stdin }) as string[][];
  assertEquals(own.map((command) => command.length - words.length), stdout.trim().split("\n").map(Number));
});

test("-n max limits a group also by values that the command leaves out", async () => {
  const stdin = `${"x".repeat(999)}\n`.repeat(300);
  const commands = await commandsOf(["echo {1}{/}"], { flags: { "max-args": "max" }, stdin });
  assertEquals(commands.length, 3);
});

test("a value that is longer than the limit is a command of its own", async () => {
  const long = "x".repeat(200_000);
  const commands = await commandsOf(["echo", "{}"], { flags: { "max-args": "max" }, stdin: `a\n${long}\nb\nc\n` });
  assertEquals(commands, [["echo", "a"], ["echo", long], ["echo", "b", "c"]]);
});
