import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import { allFlagsOf } from "../../cli/command.ts";
import { loadCommands } from "../../cli/commands/mod.ts";
import { TOPICS } from "../../cli/help_topics.ts";
import {
  IS_LEFT_TO_BUN,
  jsonLines,
  lacks,
  pathWithTaskrunner,
  PROJECT,
  shell,
  taskrunner,
  withTempDirectory,
} from "../support/helpers.ts";
import { runHere } from "../support/fake_io.ts";
import { test } from "../support/test.ts";

const COMMANDS = await loadCommands();

// cspell:ignore eahc

/** Runs the command in this process, as on a terminal. */
const onTerminal = (args: readonly string[]) =>
  runHere(args, {
    stdinIsTerminal: true,
    stdoutIsTerminal: true,
    stderrIsTerminal: true,
    outputsShareTerminal: true,
    terminalColumns: () => 80,
  });

async function helpOf(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await onTerminal(args);
  assertEquals([status, stderr], [0, ""], args.join(" "));
  return stdout;
}

test("every help has at most 80 columns, and no paragraph twice", async () => {
  const names = [...COMMANDS, ...TOPICS].map(({ name }) => name);
  for (const help of [await helpOf("--help"), ...await Promise.all(names.map((name) => helpOf("help", name)))]) {
    assertEquals(help.split("\n").filter((line) => line.length > 80), []);
    const paragraphs = help.split("\n\n");
    assertEquals(new Set(paragraphs).size, paragraphs.length, help);
    assert(help.endsWith("\n") && !help.endsWith("\n\n"), help);
  }
});

test("the general help fits a terminal of 24 lines, and has each command with its first example", async () => {
  const help = await helpOf("help");
  assert(help.split("\n").length <= 24 + 1, `${help.split("\n").length - 1} lines`);
  for (const { examples: [{ command }], summary } of COMMANDS) {
    const row = help.split("\n").find((line) => line.startsWith(`  ${command.replace("taskrunner ", "")}  `));
    assert(row?.endsWith(`  ${summary}`), `${command}: ${row}`);
  }
  for (const { name } of TOPICS) assertStringIncludes(help.split("explains: ")[1]!, name);
});

test("taskrunner, --help, -h and help print the general help", async () => {
  const help = await helpOf("help");
  for (const args of [[], ["--help"], ["-h"]]) assertEquals(await helpOf(...args), help);
  const { status, stdout } = await taskrunner(["help"]); // as a process
  assertEquals([status, stdout], [0, help]);
});

test("run and - on a terminal read tasks from it", async () => {
  for (const args of [["run"], ["-"], ["-q"]]) {
    const { status, stdout, stderr } = await onTerminal(args);
    assertEquals([status, stdout], [0, ""]);
    assertMatch(stderr, /^taskrunner: reading tasks from the terminal/);
  }
});

test("help COMMAND is COMMAND --help: usage, flags and exactly three examples", async () => {
  for (const command of COMMANDS) {
    const { name, usage, examples } = command;
    const help = await helpOf("help", name);
    assertEquals(await helpOf(name, "--help"), help);
    assertStringIncludes(help, `\n\nUsage: taskrunner ${name} ${usage}\n\n`);
    const shown = [...help.matchAll(/^ {2}(?:-\w, | {4})--([a-z-]+)/gm)].map(([, flag]) => flag!);
    const expected = Object.entries(allFlagsOf(command)).filter(([, { topic }]) => !topic)
      .flatMap(([name, { negation }]) => [name, ...negation ? [`no-${name}`] : []]);
    assertEquals(shown.toSorted(), expected.toSorted());
    const [, list] = /^Examples:\n((?: {2}.*\n)+)/m.exec(help)!;
    assertEquals(list!.match(/^ {2}# [A-Z].*[^.]\n {2}.*\btaskrunner .*$/gm)?.length, 3, list);
    for (const { command } of examples) assertMatch(command, new RegExp(`\\btaskrunner ${name}( |$)`));
  }
});

test("flags that a topic lists work with their commands, and are not in their help", async () => {
  for (const command of COMMANDS) {
    for (const [name, { topic }] of Object.entries(allFlagsOf(command))) {
      if (topic === undefined) continue;
      assertStringIncludes(await helpOf("help", topic), `\n      --${name} `);
      assertEquals((await helpOf("help", command.name)).includes(`\n      --${name} `), false);
      assert(command.topics?.includes(topic), `${command.name} has a flag of ${topic}`);
    }
  }
});

test("a command names existing topics only", () => {
  const topics = TOPICS.map(({ name }) => name);
  for (const command of COMMANDS) for (const topic of command.topics ?? []) assert(topics.includes(topic), topic);
  const commands = COMMANDS.map(({ name }) => name);
  assertEquals(topics.filter((name) => commands.includes(name)), []);
});

test("help of an unknown name is an error with the nearest one", async () => {
  const cases: [args: string[], message: string][] = [
    [["help", "eahc"], 'Unknown command or topic "eahc", did you mean each?'],
    [["help", "exit-statuses"], 'Unknown command or topic "exit-statuses", did you mean exit-status?'],
    [["help", "halt"], 'Unknown command or topic "halt"'],
    [["help", "zebra"], 'Unknown command or topic "zebra"'],
    [["help", "run", "each"], 'Expected one command or topic, got "run" and "each"'],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await onTerminal(args);
    assertEquals([status, stdout, stderr], [255, "", `taskrunner: ${message}\nTry 'taskrunner help --help'.\n`]);
  }
});

/** Commands whose examples need a server or a certain shell, or do not end. */
const NOT_RUN = ["worker", "runs", "watch", "completions"];

test("the examples in the help run", async () => {
  if (IS_LEFT_TO_BUN || lacks("jq", "gzip", "man", "mandoc")) return;
  for (const { name, examples } of COMMANDS.filter(({ name }) => !NOT_RUN.includes(name))) {
    await withTempDirectory(async (directory) => {
      const PATH = await pathWithTaskrunner(directory);
      const cwd = join(directory, "files");
      const results = name === "run" || name === "each" ? "" : "-o results.jsonl";
      const setUp =
        `mkdir files && cd files && echo a > 'a b.log' && echo b > b.log && printf 'a b.log\\nb.log\\n' > paths.txt &&
        printf '{"id":1,"cmd":"echo a"}\\n' > tasks.jsonl && taskrunner -q tasks.jsonl ${results} &&
        { [ ! -e results.jsonl ] || gzip -k results.jsonl; }`;
      const made = await shell(setUp, { cwd: directory, env: { PATH } });
      assertEquals([made.status, made.stderr], [0, ""]);
      for (const { command } of examples) {
        const { status, stdout, stderr } = await shell(command, { cwd, env: { PATH } });
        assertEquals(status, 0, `${command}\n${stderr}`);
        const isSilent = /-o \S+|'gzip -k|'cp |^taskrunner failed/.test(command); // these print nothing here
        if (!isSilent) assert(stdout.length > 0 || command.includes(" > "), command);
      }
    });
  }
});

test("help placeholders shows the command of each placeholder", async () => {
  if (IS_LEFT_TO_BUN) return;
  const help = await helpOf("help", "placeholders");
  const [, value] = /with the value (.*):\n/.exec(help)!;
  const rows = [...help.matchAll(/^ {2}(\{\S*\}) .*: (.*)$/gm)].map((
    [, placeholder, result],
  ) => [placeholder!, result!]);
  assert(rows.length >= 6, help);
  for (const [placeholder, expected] of rows) {
    const { results } = await taskrunner(["each", "--format", "json", `printf %s ${placeholder}`, ":::", value!]);
    assertEquals([placeholder, results[0]!.stdout], [placeholder, expected]);
  }
});

test("help tasks has the fields of the JSON Schema of tasks", async () => {
  const schema = JSON.parse(await readFile(join(PROJECT, "records", "task.schema.json"), "utf8"));
  const fields = [...(await helpOf("help", "tasks")).matchAll(/^ {2}([a-zA-Z]+) /gm)].map(([, field]) => field!);
  assertEquals(fields.toSorted(), Object.keys(schema.properties).toSorted());
});

test("help exit-status has the statuses of docs/reference/exit-statuses.md", async () => {
  const page = await readFile(join(PROJECT, "docs", "reference", "exit-statuses.md"), "utf8");
  const [, table] = /^# .*?\n(\|.*?)\n\n/ms.exec(page)!;
  const ofPage = [...table!.matchAll(/^\| (\d[\d, a-z]*?) +\|/gm)].flatMap(([, cell]) => {
    return cell!.replace(" to ", "-").split(", ");
  });
  const [before] = (await helpOf("help", "exit-status")).split("With --halt");
  const ofHelp = [...before!.matchAll(/^ {2}(\d[\d-]*) /gm)].map(([, status]) => status!);
  assertEquals(ofHelp.toSorted(), ofPage.toSorted());
});

test("the example of tasks.jsonl is a task file", async () => {
  const [, line] = /such as (\{.*?\})\./.exec(await helpOf("help", "tasks"))!;
  const { results } = await taskrunner([], { stdin: jsonLines([JSON.parse(line!)]) });
  assertEquals(results.map(({ outcome }) => outcome), ["ok"]);
});
