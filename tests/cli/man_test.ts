/** The manual page, as man and mandoc show it. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { spellingsOf } from "../../cli/args/flag.ts";
import { allFlagsOf } from "../../cli/command.ts";
import { loadCommands } from "../../cli/commands/mod.ts";
import { TOPICS } from "../../cli/help_topics.ts";
import { VARIABLES } from "../../cli/man/page.ts";
import { bold, code, item, paragraph, roff, section } from "../../cli/man/roff.ts";
import { VERSION, VERSION_DATE } from "../../text/version.ts";
import { lacks, start, taskrunner, withTempDirectory } from "../support/helpers.ts";
import { readPage, rowsOf } from "../support/pages.ts";
import { test } from "../support/test.ts";

const COMMANDS = await loadCommands();

/** Shows a page with `man`, and returns the text and the warnings. */
async function shown(page: string, width: number): Promise<{ text: string; warnings: string }> {
  return await withTempDirectory(async (directory) => {
    const path = join(directory, "page.1");
    await writeFile(path, page);
    const env = { LC_ALL: "C.UTF-8", MANWIDTH: `${width}`, MAN_KEEP_FORMATTING: "" };
    const { stdout, stderr } = await start("man", ["--warnings", "-l", path], { stdin: "", env }).ended;
    return { text: stdout, warnings: stderr };
  });
}

/** Returns the messages of `mandoc -T lint` from the level of warnings. */
async function lint(page: string): Promise<string> {
  return (await start("mandoc", ["-T", "lint", "-W", "warning"], { stdin: page }).ended).stdout;
}

test("man shows the manual page without a warning, and mandoc finds nothing to warn about", async () => {
  if (lacks("man", "mandoc")) return;
  const { status, stdout: page, stderr } = await taskrunner(["man"]);
  assertEquals([status, stderr], [0, ""]);
  assertEquals(await lint(page), "");
  for (const width of [80, 132]) assertEquals((await shown(page, width)).warnings, "");
  const { text } = await shown(page, 80);
  const required = [
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "COMMANDS",
    "PLACEHOLDERS",
    "EXIT STATUS",
    "ENVIRONMENT",
    "FILES",
  ];
  const sections: string[] = text.match(/^[A-Z][A-Z ]+$/gm) ?? [];
  assertEquals([...required, "EXAMPLES", "SEE ALSO"].filter((title) => !sections.includes(title)), []);
  assert(text.includes(`taskrunner ${VERSION}`) && text.includes(VERSION_DATE));
  const [line] = page.split("\n").filter((line) => line.startsWith("taskrunner \\-"));
  assert(line, "whatis and apropos find no line with the name");
});

test("the manual page has all commands, flags, topics and examples, and no other hyphen than that of the keyboard", async () => {
  if (lacks("man")) return;
  const { text } = await shown((await taskrunner(["man"])).stdout, 300);
  for (const command of COMMANDS) {
    assert(text.includes(`\n   taskrunner ${command.name} ${command.usage}`.trimEnd()), command.name);
    for (const [name, flag] of Object.entries(allFlagsOf(command))) {
      for (const spelling of spellingsOf(name, flag)) {
        const { placeholder } = flag.unit ?? { placeholder: "" };
        assert(text.includes(spelling), `${spelling} of ${command.name}`);
        assert(text.includes(`--${name}${placeholder && ` ${placeholder}`}`), `${placeholder} of --${name}`);
      }
      assert(text.includes(flag.help), `the text of --${name}`);
      if (flag.negation) assert(text.includes(`--no-${name}\n`), `--no-${name}`);
    }
    for (const { command: example } of command.examples) assert(text.includes(`    ${example}\n`), example);
  }
  for (const { name, summary } of TOPICS) {
    assert(text.includes(`\n${name.toUpperCase().replaceAll("-", " ")}\n       ${summary}.`), name);
  }
  assert(!/[\u2010-\u2015\u2018-\u201f\u02c6\u02dc]/.test(text), "roff has changed a hyphen or a quote");
});

test("roff() keeps any text as it is", async () => {
  if (lacks("man", "mandoc")) return;
  const texts = [
    ".SH no macro",
    "'br no macro",
    "\\fBno\\fR \\n escape \\",
    "--flag 'a' \"b\" `c` ^ ~ | # % @ $ { } < > & *",
    "é … “quoted” – \u{1f600}",
    ". a dot",
    "a\n.b\n'c",
    '"quoted"',
  ];
  const page = [
    ".TH TEST 1 2026-01-01",
    section("NAME", "test \\- text"),
    section('T"E.S\\T', roff(texts[0]!)),
    ...texts.flatMap((text) => [paragraph(roff(text)), code(text), item(bold(text), roff(text))]),
    "",
  ].join("\n");
  assertEquals(await lint(page), "");
  const { text, warnings } = await shown(page, 120);
  assertEquals(warnings, "");
  const lines = text.split("\n").map((line) => line.trim());
  for (const text of texts) {
    const count = lines.filter((line) => line === text.replace(/\s*\n/g, " ")).length;
    assert(count >= 3, `${JSON.stringify(text)} is there ${count} times\n${lines.join("\n")}`);
  }
  assert(lines.includes('T"E.S\\T'), lines.join("\n"));
});

test("the manual page has the variables of docs/reference/flags.md", async () => {
  const [, section] = (await readPage("docs/reference/flags.md")).split("## Environment variables");
  const namesOf = (text: string) => [...text.matchAll(/[A-Z][A-Z_]+…?/g)].map(([name]) => name);
  const onPage = rowsOf(section!).flatMap(([cell]) => namesOf(cell!)).sort();
  assertEquals(VARIABLES.flatMap(([names]) => namesOf(names)).sort(), onPage);
});

test("VERSION_DATE is the day of the version in the changelog", async () => {
  const [, date] = new RegExp(`^## \\[${VERSION}\\] - (\\S+)$`, "m").exec(await readPage("CHANGELOG.md"))!;
  assertEquals(VERSION_DATE, date);
});
