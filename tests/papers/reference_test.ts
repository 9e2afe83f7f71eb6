import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { PROJECT, taskrunner } from "../support/helpers.ts";
import { readPage, rowsOf } from "../support/pages.ts";
import { test } from "../support/test.ts";

/** A flag as the help or the page has it. */
interface FlagRow {
  /** The flag and its value, such as `-j, --jobs N`. */
  spelling: string;
  meaning: string;
  default: string;
}

/** A flag in the help. Its text may continue on the next lines. */
const HELP_FLAG = /^ {2}(?:(-\w, )| {4})(--[a-z-]+(?: \S+)?)(?: {2,}|\n {8,})(.*(?:\n {8,}\S.*)*)/gm;

function flagsOfHelp(help: string): FlagRow[] {
  return [...help.matchAll(HELP_FLAG)].map(([, short = "", long, text]) => {
    const [, meaning, byDefault = ""] = /^(.*?)(?: \(default: (.*)\))?$/.exec(text!.replace(/\s+/g, " "))!;
    return { spelling: short + long, meaning: meaning!, default: byDefault };
  });
}

/** Returns the rows of tables of flags. */
function flagsOfPage(page: string): FlagRow[] {
  return rowsOf(page).filter(([cell]) => cell!.startsWith("`-")).map((cells) => {
    const [spelling, meaning, byDefault] = cells.map((cell) => cell.replaceAll("`", ""));
    return { spelling: spelling!, meaning: meaning!, default: byDefault! };
  });
}

test("docs/reference/flags.md has the commands and flags of the help, with their texts and defaults", async () => {
  const page = await readPage("docs/reference/flags.md");
  const { stdout: help } = await taskrunner(["--help"]);
  const [, list] = /^Commands.*?:\n(.*?)\n\n/ms.exec(help)!;
  const commands = [...list!.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name!);
  const sections = page.split(/^## (?=`taskrunner |All commands|Login)/m).slice(1);
  assertEquals(
    sections.map((section) => /^`taskrunner (\w+)|^All|^Login/.exec(section)![1]),
    [...commands, undefined, undefined],
  );
  const onPage = flagsOfPage(page);
  const has = (flags: FlagRow[], flag: FlagRow) =>
    flags.some((other) => JSON.stringify(other) === JSON.stringify(flag));
  let count = 0;
  for (const [index, command] of commands.entries()) {
    const { stdout } = await taskrunner([command, "--help"]);
    const inHelp = flagsOfHelp(stdout);
    count += inHelp.length;
    assertEquals(inHelp.filter((flag) => !has(onPage, flag)), [], `the page lacks flags of ${command}`);
    const inSection = flagsOfPage(sections[index]!);
    assertEquals(inSection.filter((flag) => !has(inHelp, flag)), [], `the help of ${command} lacks flags`);
  }
  const ofTopic = flagsOfHelp((await taskrunner(["help", "nats"])).stdout);
  assertEquals(flagsOfPage(page.split(/^## Login to NATS/m)[1]!), ofTopic);
  assert(count + ofTopic.length > 60, `${count} flags in the help`);
});

test("docs/reference/records.md has the fields of the JSON Schemas", async () => {
  const page = await readPage("docs/reference/records.md");
  const [, tasks, results] = page.split(/^## (?=Tasks|Results)|^### Outcomes/m);
  for (const [text, name] of [[tasks, "task"], [results, "result"]] as const) {
    const schema = JSON.parse(await readFile(join(PROJECT, "records", `${name}.schema.json`), "utf8"));
    const fields = rowsOf(text!).flatMap(([cell]) => [...cell!.matchAll(/`(\w+)`/g)].map(([, field]) => field!));
    assertEquals(fields.sort(), Object.keys(schema.properties).sort(), name);
  }
});

test("docs/reference/records.md has all outcomes, in the order in which they are decided", async () => {
  const page = await readPage("docs/reference/records.md");
  const [, section] = /^### Outcomes$(.*?)^#/ms.exec(page)!;
  const outcomes = rowsOf(section!).flatMap(([cell]) => /^`([a-z-]+)`$/.exec(cell!)?.[1] ?? []);
  const schema = JSON.parse(await readFile(join(PROJECT, "records", "result.schema.json"), "utf8"));
  assertEquals(outcomes.toSorted(), schema.properties.outcome.enum.toSorted());
});

test("docs/architecture.md has the rooms, in the order that the layer check enforces", async () => {
  const [, list] = /^const ROOMS = \[(.*?)\]/ms.exec(await readFile(join(PROJECT, "dev", "check_layers.ts"), "utf8"))!;
  const rooms = [...list!.matchAll(/"([\w.]+)"/g)].map(([, name]) => name!).filter((name) =>
    !["mod.ts", "cli.ts"].includes(name)
  );
  const [, section] = /^## Rooms$(.*?)^## /ms.exec(await readPage("docs/architecture.md"))!;
  const listed = rowsOf(section!).flatMap(([cell]) => /^`([\w.]+?)\/?`$/.exec(cell!)?.[1] ?? []);
  assertEquals(listed, rooms);
});
