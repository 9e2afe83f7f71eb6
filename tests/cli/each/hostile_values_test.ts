import { existsSync } from "node:fs";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import type { InputFlags } from "../../../cli/each/flags.ts";
import { run } from "../../../mod.ts";
import type { Task } from "../../../records/task.ts";
import { collect, lacks, withTempDirectory } from "../../support/helpers.ts";
import { tasksOf } from "../../support/each_input.ts";
import { DANGER, RUNNING_VALUES } from "../../support/hostile_values.ts";
import { test } from "../../support/test.ts";

/** Values that a shell would run, expand or split, or that a program would take for a flag. */
const VALUES = [
  ...RUNNING_VALUES,
  `&& ${DANGER} ||`,
  `> canary`,
  `x/$(${DANGER}).y/'\n".$HOME.*?[a-z]`,
  "-n",
  "--help",
  "",
  " ",
  "\n",
  "a b\tc\n\n",
  "*",
  "~",
  "$HOME ${HOME} $$ !! !x",
  "%s\\n\\c%",
  "{} {1} {#}",
  "\\",
  "\\\\'\\\"",
  "it's",
  "é 😀 \u2028 \u202e",
  "\x01\x1b]52;c;eA==\x07\x7f",
  "=x",
  "#x",
];

const FORMS = "{} {.} {..} {...} {/} {//} {/.} {/..} {/...} {+/} {+.} {+..} {+...} {1} {-1} {1/} {-1.} {NAME} {NAME/.}"
  .split(" ");
const SHELLS = ["dash", "bash", "mksh", "busybox"].filter((shell) => !lacks(shell));

/** Runs tasks, each in a shell, and returns what they print. Fails if a value was run. */
async function printedBy(tasks: readonly Task[], shell: string | undefined): Promise<string[]> {
  return await withTempDirectory(async (directory) => {
    const inDirectory = tasks.map((task) => ({ ...task, cwd: directory }));
    const results = await collect(run(inDirectory, { keepOrder: true, concurrency: 4, shell: shell ?? "sh" }));
    assertEquals(results.filter(({ outcome }) => outcome !== "ok"), []);
    assert(!existsSync(join(directory, "canary")), `a value was run by ${shell}`);
    return results.map(({ stdout }) => stdout);
  });
}

async function tasksOfValues(words: readonly string[], flags: InputFlags = {}): Promise<Task[]> {
  const sources = [{ separator: ":::" as const, items: ["NAME", ...VALUES] }];
  return await tasksOf(words, { flags: { ...flags, header: true }, sources });
}

/** Returns the texts of each form for each value, which programs must get byte for byte. */
async function expectedTexts(): Promise<string[][]> {
  return (await tasksOfValues(["printf", ...FORMS])).map(({ cmd }) => cmd.slice(1) as string[]);
}

test("hostile values reach shell commands byte for byte in every form and quotes, and nothing runs", async () => {
  const places = FORMS.flatMap((form) => [form, `"x${form}y"`, `'x${form}y'`, `x${form}y`]);
  const expected = (await expectedTexts()).map((texts) => {
    return texts.flatMap((text) => [text, ...Array(3).fill(`x${text}y`)]).map((text) => `${text}|`).join("");
  });
  const tasks = await tasksOfValues([`printf '%s|' ${places.join(" ")}`]);
  for (const shell of SHELLS) {
    const inBusybox = shell === "busybox";
    const shellTasks = inBusybox
      ? tasks.map((task) => ({ ...task, cmd: ["busybox", "sh", "-c", task.cmd as string] }))
      : tasks;
    assertEquals(await printedBy(shellTasks, inBusybox ? undefined : shell), expected, shell);
  }
});

test("hostile values reach a program byte for byte in every form, also with the slot, and nothing runs", async () => {
  const places = FORMS.flatMap((form) => [form, `x${form}y`]);
  const expected = (await expectedTexts()).map((texts) => {
    return texts.flatMap((text) => [text, `x${text}y`]).map((text) => `${text}|`).join("");
  });
  assertEquals(await printedBy(await tasksOfValues(["printf", "%s|", ...places]), undefined), expected);
  for (const shell of SHELLS.filter((shell) => shell !== "busybox")) {
    const printed = await printedBy(await tasksOfValues(["printf", "%s|", ...places, "{%}"]), shell);
    assertEquals(printed.map((text) => text.replace(/\d\|$/, "")), expected, shell);
  }
});

test("hostile gathered and linked values reach commands byte for byte", async () => {
  const expected = VALUES.map((value) => `${value}|`).join("");
  const sources = [{ separator: ":::" as const, items: VALUES }];
  for (const words of [["printf '%s|' {}"], ["printf", "%s|", "{}"]]) {
    const tasks = await tasksOf(words, { flags: { "max-args": 1000 }, sources });
    for (const shell of SHELLS.filter((shell) => shell !== "busybox")) {
      assertEquals(await printedBy(tasks, shell), [expected]);
    }
  }
  const replaced = await tasksOf(["printf '%s|' @@ '@@'"], { flags: { replace: "@@" }, sources });
  assertEquals((await printedBy(replaced, "dash")).join(""), VALUES.map((value) => `${value}|${value}|`).join(""));
});

test("a value of 1 MiB reaches a shell command", async () => {
  // With few quotes, because the time that bash takes for a word grows with the square of the number of quotes in it.
  const value = `'\\\n $${"x".repeat(1019)}`.repeat(1024);
  const flags: InputFlags = { null: true };
  const tasks = await tasksOf(['v={}; w=\'{}\'; [ "$v" = "$w" ] && echo ${#v}'], { flags, stdin: `${value}\0` });
  for (const shell of SHELLS.filter((shell) => shell !== "busybox")) {
    assertEquals(await printedBy(tasks, shell), [`${value.length}\n`], shell);
  }
  // The system limits an argument of a program to 128 KiB.
  const [result] = await collect(run(await tasksOf(["printf", "%s", "{}"], { flags, stdin: `${value}\0` })));
  assertEquals(result!.outcome, "not-started");
});
