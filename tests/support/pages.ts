/** Pages of the documentation: their code blocks, links and headings. @module */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PROJECT } from "./helpers.ts";

/** A fenced code block. */
export interface Block {
  language: string;
  text: string;
  /** The nearest heading above the block. */
  heading: string;
}

/** The paths of all Markdown pages below a directory of the project, relative to the project. */
export async function pagesBelow(directory: string): Promise<string[]> {
  const names = await readdir(join(PROJECT, directory), { recursive: true });
  return names.filter((name) => name.endsWith(".md")).map((name) => join(directory, name)).sort();
}

/** Reads a page, by its path relative to the project. */
export function readPage(path: string): Promise<string> {
  return readFile(join(PROJECT, path), "utf8");
}

/** Returns the fenced code blocks of a page. */
export function blocksOf(page: string): Block[] {
  let heading = "";
  return [...page.matchAll(/^#+ ([^\n]+)$|^```(\w+)\n(.*?)^```$/gms)].flatMap(([, title, language, text]) => {
    if (title === undefined) return [{ language: language!, text: text!, heading }];
    heading = title;
    return [];
  });
}

/** Returns the text of a page without its code: neither blocks nor spans. */
export function proseOf(page: string): string {
  return page.replace(/^( *)```.*?^\1```$/gms, "").replace(/(`+)(?!`).+?(?<!`)\1(?!`)/gs, "`code`");
}

/** Returns the anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  const headings = page.replace(/^( *)```.*?^\1```$/gms, "").matchAll(/^#+ (.+)$/gm);
  for (const [, heading] of headings) {
    const anchor = heading!.toLowerCase().replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "").replaceAll(" ", "-");
    let unique = anchor;
    for (let number = 1; anchors.has(unique); number++) unique = `${anchor}-${number}`;
    anchors.add(unique);
  }
  return anchors;
}

/** Returns the cells of every table row of a page, without the rows of dashes. */
export function rowsOf(page: string): string[][] {
  return [...page.matchAll(/^\|(.*)\|$/gm)]
    .map(([, row]) => row!.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|")))
    .filter(([first]) => !/^:?-+:?$/.test(first!));
}
