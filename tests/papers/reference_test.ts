import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { PROJECT, taskrunner } from "../support/helpers.ts";
import { readPage, rowsOf } from "../support/pages.ts";
import { test } from "../support/test.ts";

/** A flag as the help or the page has it, such as `-j, --jobs N|N%`. */
interface FlagRow {
  spelling: string;
  default: string | undefined;
}

/** A line of help that begins a flag. Its text can continue on the following lines. */
const HELP_FLAG = /^ {2}(?:(-\w), | {4})?(--[a-z-]+)( \S+)?(?: {2,}|\n {8,})(.*(?:\n {8,}\S.*)*)/gm;

function flagsOfHelp(help: string): Map<string, FlagRow> {
  const flags = new Map<string, FlagRow>();
  for (const [, short, name, value = "", text] of help.matchAll(HELP_FLAG)) {
    // A default in words may be worded differently on the page; a value may not.
    const [, default_] = /default: ([^\s,;)]+)(?=[,;)]|\s*$)/.exec(text!) ?? [];
    flags.set(name!, { spelling: `${short ? `${short}, ` : ""}${name}${value}`, default: default_ });
  }
  return flags;
}

/** The rows of the page's tables of flags: the spelling, the meaning and the default. */
function flagsOfPage(page: string): Map<string, FlagRow> {
  const flags = new Map<string, FlagRow>();
  for (const [cell, , default_] of rowsOf(page)) {
    const [, spelling, name] = /^`((?:-\w, )?(--[a-z-]+)(?: \S+)?)`$/.exec(cell!) ?? [];
    if (name === undefined) continue;
    assert(!flags.has(name), `${name} is listed twice`);
    flags.set(name, { spelling: spelling!, default: default_?.replaceAll("`", "") || undefined });
  }
  return flags;
}

test("docs/reference/flags.md has the commands, flags and defaults of the help", async () => {
  const page = await readPage("docs/reference/flags.md");
  const { stdout: help } = await taskrunner(["--help"]);
  const commands = [...help.matchAll(/^(?:Usage:)? +taskrunner \[?(\w+)\]? /gm)].map(([, name]) => name!);
  const headings = [...page.matchAll(/^## `taskrunner (\w+)/gm)].map(([, name]) => name!);
  assertEquals(headings.sort(), [...new Set(commands)].sort());
  const inHelp = flagsOfHelp(help);
  for (const command of headings) {
    const { stdout } = await taskrunner([command, "--help"]);
    for (const [name, flag] of flagsOfHelp(stdout)) inHelp.set(name, flag);
  }
  const onPage = flagsOfPage(page);
  assert(inHelp.size > 30, `${inHelp.size} flags in the help`);
  assertEquals(
    [...onPage.values()].map(({ spelling }) => spelling).sort(),
    [
      ...[...inHelp.values()].map(({ spelling }) => spelling),
    ].sort(),
  );
  for (const [name, { default: expected }] of inHelp) {
    if (expected !== undefined) assertEquals([name, onPage.get(name)!.default], [name, expected]);
  }
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
