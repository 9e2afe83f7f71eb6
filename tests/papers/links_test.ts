import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { PROJECT } from "../support/helpers.ts";
import { anchorsOf, pagesBelow, proseOf, readPage } from "../support/pages.ts";
import { test } from "../support/test.ts";

/** All pages that people read. */
async function allPages(): Promise<string[]> {
  const roots = (await readdir(PROJECT)).filter((name) => name.endsWith(".md"));
  const below = await Promise.all(["docs", "examples", "dev"].map(pagesBelow));
  return [...roots, ...below.flat()];
}

test("every relative link of every page leads to a file, and every anchor to a heading", async () => {
  const broken: string[] = [];
  let links = 0;
  for (const page of await allPages()) {
    for (const [, target] of proseOf(await readPage(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      links++;
      const [path, anchor] = target!.split("#");
      const file = path === "" ? page : normalize(join(dirname(page), path!));
      if (!existsSync(join(PROJECT, file))) broken.push(`${page}: ${target}`);
      else if (anchor !== undefined && !anchorsOf(await readPage(file)).has(anchor)) broken.push(`${page}: ${target}`);
    }
  }
  assertEquals(broken, []);
  assert(links > 50, `${links} links`);
});

test("every file that a page names exists", async () => {
  const rooms = (await readdir(PROJECT, { withFileTypes: true })).filter((entry) => entry.isDirectory())
    .map(({ name }) => name).filter((name) => !name.startsWith("."));
  const path = new RegExp(
    `(?<![\\w./-])(?:${rooms.join("|")})/[\\w./-]*\\w\\.(?:ts|md|json|jsonl|yaml|conf|sh|c)\\b`,
    "g",
  );
  const missing: string[] = [];
  let names = 0;
  for (const page of await allPages()) {
    // Links are relative to their page, and have a test of their own.
    for (const [name] of (await readPage(page)).replace(/\]\([^)]*\)/g, "").matchAll(path)) {
      if (/\b[A-Z]{2,}\./.test(name)) continue; // a placeholder such as cli/commands/NAME.ts
      names++;
      if (!existsSync(join(PROJECT, name))) missing.push(`${page}: ${name}`);
    }
  }
  assertEquals(missing, []);
  assert(names > 30, `${names} names`);
});

test("every page below docs is linked from another page, and a directory is linked by its index", async () => {
  const pages = await pagesBelow("docs");
  const linked = new Set<string>();
  for (const page of await allPages()) {
    for (const [, target] of proseOf(await readPage(page)).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      const file = normalize(join(dirname(page), target!));
      if (file !== page) linked.add(file);
    }
  }
  assertEquals(pages.filter((page) => !linked.has(page)), []);
  for (const target of linked) {
    const path = join(PROJECT, target);
    if (!existsSync(path) || !(await stat(path)).isDirectory()) continue;
    assert(!target.startsWith("docs"), `link a page of ${target}, not the directory`);
  }
});

test("the README has about 150 lines and its sections are in the order of a first visit", async () => {
  const readme = await readPage("README.md");
  const lines = readme.split("\n").length;
  assert(lines <= 160, `${lines} lines: move details to docs/`);
  const sections = [...readme.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
  assertEquals(sections, [
    "Why",
    "Install",
    "First use",
    "Resume",
    "Report",
    "Library",
    "Comparison",
    "Documentation",
    "Contribute",
    "License",
  ]);
});
