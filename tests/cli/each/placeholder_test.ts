import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertStringIncludes } from "@std/assert/string-includes";
import { UsageError } from "../../../cli/args/usage_error.ts";
import { commandsOf, sourcesOf } from "../../support/each_input.ts";
import { test } from "../../support/test.ts";

test("the forms of --plus give the same as in GNU parallel", async () => {
  // As printed by: parallel --plus -k echo … ::: VALUES, with | between the values
  const forms = ["{..}", "{...}", "{/..}", "{/...}", "{+/}", "{+.}", "{+..}", "{+...}", "{##}", "{#}"];
  const expected: [value: string, replaced: string][] = [
    ["d/a.b.c.d", "d/a.b|d/a|a.b|a|d|d|c.d|b.c.d|8|1"],
    ["e", "e|e|e|e|||||8|2"],
    ["/a", "/a|/a|a|a|||||8|3"],
    ["a.b/c", "a.b/c|a.b/c|c|c|a.b|b/c|||8|4"],
    ["x.tar.gz", "x|x.tar.gz|x|x.tar.gz||gz|tar.gz||8|5"],
    ["", "||||||||8|6"],
    ["a.", "a.|a.|a.|a.|||||8|7"],
    [".b.c", "|.b.c||.b.c||c|b.c||8|8"],
  ];
  const values = expected.map(([value]) => value);
  const commands = await commandsOf(["echo", forms.join("|")], { sources: [{ separator: ":::", items: values }] });
  assertEquals(commands.map((command) => command[1]), expected.map(([, replaced]) => replaced));
});

test("{0#} has as many digits as the number of all tasks", async () => {
  const values = Array.from({ length: 10 }, (_, index) => `${index}`);
  const commands = await commandsOf(["{0#} {##}"], { stdin: values.join("\n") });
  assertEquals([commands[0], commands[9]], ["'01' '10'", "'10' '10'"]);
});

test("a position selects a value, from the first or from the last, with all forms", async () => {
  const sources = sourcesOf("::: /x/y.z", "::: p/q.r");
  assertEquals(await commandsOf(["echo", "{1/.} {1//} {-1.} {2/} {-2} {1..} {2+/} {1+.}"], { sources }), [
    ["echo", "y /x p/q q.r /x/y.z /x/y.z p z"],
  ]);
  assertEquals(await commandsOf(["echo {2}{1} {-1}"], { sources }), ["echo 'p/q.r''/x/y.z' 'p/q.r'"]);
});

test("{} stands for all values: words, or in quotes and within an argument a text with spaces", async () => {
  const sources = sourcesOf("::: a.b", "::: c/d");
  assertEquals(await commandsOf([`echo {} "x {/} y" z{.}`], { sources }), [
    `echo 'a.b' 'c/d' "x "'a.b d'" y" z'a' 'c/d'`,
  ]);
  assertEquals(await commandsOf(["echo", "{}", "x{/}y"], { sources }), [["echo", "a.b", "c/d", "xa.b dy"]]);
  assertEquals(await commandsOf(["echo", "-v"], { sources }), [["echo", "-v", "a.b", "c/d"]]);
});

test("an unknown placeholder is an error that says what is available", async () => {
  const one = sourcesOf("::: a");
  const cases: [command: string, options: object, available: string][] = [
    ["echo {2}", { sources: one }, "{1} {#}"],
    ["echo {0}", { sources: one }, "{1} {#}"],
    ["echo {-2}", { sources: one }, "{1} {#}"],
    ["echo {3}", { sources: [...one, ...one] }, "{1} {2} {#}"],
    ["echo {4}", { sources: [...one, ...one, ...one] }, "{1} … {3} {#}"],
    ["echo {5}", { sources: one, flags: { "max-args": 4 } }, "{1} … {4} {#}"],
    ["echo {:::}", { sources: one }, "{1}"],
    ["echo {....}", { sources: one }, "{1}"],
    ["echo {= s/a/b/ =}", { sources: one }, "{1}"],
    ["echo {0}", { flags: { colsep: "," } }, "{1} {2} … {#}"],
    ["echo {nme}", { flags: { header: true }, sources: sourcesOf("::: name a") }, "{name} {}"],
    ["echo {nme.}", { flags: { header: true }, sources: sourcesOf("::: name a") }, "{name} {}"],
  ];
  for (const [command, options, available] of cases) {
    for (const words of [[command], command.split(" ").concat(command.slice(5)), ["echo", `x${command.slice(5)}y`]]) {
      const { message } = await assertRejects(() => commandsOf(words, options), UsageError);
      assertStringIncludes(message, `Unknown placeholder "${command.slice(5)}": available are `);
      assertStringIncludes(message, available);
      assertStringIncludes(message, "choose another placeholder for the value, as in -I @@");
    }
  }
});

test("other text in braces stays as it is", async () => {
  const texts = ["{print}", "{a,b}", "{1..3}", "{-3..3..2}", "{ cmd; }", "${x}", "{1,2}", "x{", "}", "{a}"];
  assertEquals(await commandsOf(["awk", ...texts, "{}"], { sources: sourcesOf("::: v") }), [["awk", ...texts, "v"]]);
  const command = "echo {a,b} {1..3} ${x}; { true; }; awk '{print}'";
  assertEquals(await commandsOf([`${command} {}`], { sources: sourcesOf("::: v") }), [`${command} 'v'`]);
});

test("with -I, only its text is a placeholder", async () => {
  const options = { flags: { replace: "@@" }, sources: sourcesOf("::: it's") };
  assertEquals(await commandsOf(["echo @@ {} {.} {7} 'x@@'"], options), [
    `echo 'it'\\''s' {} {.} {7} 'x''it'\\''s'''`,
  ]);
  assertEquals(await commandsOf(["echo", "{}", "a@@+@@"], options), [["echo", "{}", "ait's+it's"]]);
  assertEquals(await commandsOf(["echo {}"], options), [`echo {} 'it'\\''s'`]);
  assertEquals(await commandsOf(["echo .*"], { flags: { replace: ".*" }, sources: sourcesOf("::: a") }), ["echo 'a'"]);
});

test("a header names columns, with all forms", async () => {
  const sources = sourcesOf("::: A a.x b.y", "::: the-B p/q r/s");
  const flags = { header: true } as const;
  assertEquals(await commandsOf(["echo", "{A.}-{the-B/}-{2//}"], { flags, sources }), [
    ["echo", "a-q-p"],
    ["echo", "a-s-r"],
    ["echo", "b-q-p"],
    ["echo", "b-s-r"],
  ]);
  const stdin = "first name,2019,{},x+\nEve,3,4,5\n";
  assertEquals(
    await commandsOf(["echo {first name} {2019} {2} {x+} {{}}"], { flags: { ...flags, csv: true }, stdin }),
    [
      "echo 'Eve' '3' '3' '5' '4'",
    ],
  );
  await assertRejects(
    () => commandsOf(["echo {a}"], { flags: { ...flags, csv: true }, stdin: "a,b,a\n" }),
    UsageError,
    "Cannot use {a}: more than one column has this name; write {1} and {3}",
  );
  await assertRejects(
    () => commandsOf(["echo {a}"], { flags, stdin: "" }),
    UsageError,
    "Cannot use --header: standard input has no first line with the names of the columns",
  );
});

test("the slot is a variable of the shell, so that the command stays the same", async () => {
  const sources = sourcesOf("::: a");
  assertEquals(await commandsOf([`echo {%} "x{%}y" 'x{%}y' {}`], { sources }), [
    `echo "$TASKRUNNER_SLOT" "x""$TASKRUNNER_SLOT""y" 'x'"$TASKRUNNER_SLOT"'y' 'a'`,
  ]);
  assertEquals(await commandsOf(["echo", "x{%}y{%}", "-{}", "{%}"], { sources }), [
    `exec 'echo' 'x'"$TASKRUNNER_SLOT"'y'"$TASKRUNNER_SLOT" '-a' "$TASKRUNNER_SLOT"`,
  ]);
  assertEquals(await commandsOf(["-x", "{%}"], { sources }), [`'-x' "$TASKRUNNER_SLOT"`]);
});

test("a value never enters the script of a shell, which would run it", async () => {
  const sources = sourcesOf("::: a");
  const scripts = [
    ["sh", "-c", "echo {}"],
    ["/bin/bash", "-ec", "echo '{/}'"],
    ["env", "X=1", "dash", "-x", "-c", "echo {1}"],
    ["busybox", "sh", "-c", "{}"],
  ];
  for (const words of scripts) {
    const { message } = await assertRejects(() => commandsOf(words, { sources }), UsageError);
    assertStringIncludes(message, "could run the value; pass the value as an argument, as in ");
  }
  await assertRejects(
    () => commandsOf(["sh", "-c", 'echo "${1}"', "sh", "{}"], { sources }),
    UsageError,
    "Cannot use {1} after $: it could be the parameter ${1} of a shell",
  );
  const words = ["sh", "-c", 'echo "$1" {#}', "sh", "{}"];
  assertEquals(await commandsOf(words, { sources }), [["sh", "-c", 'echo "$1" 1', "sh", "a"]]);
});
