/**
 * Runs the examples of the manuals of GNU parallel and xargs with these programs and with taskrunner, and prints every
 * example whose output differs. Without arguments, then writes the page docs/reference/peer-examples.md.
 *
 *     deno task peers:examples [WORD ...]
 *
 * With WORDs, runs only examples that contain one of them. Needs bash, perl, jq, bzip2, and GNU parallel.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Example, readExamples } from "./examples.ts";
import { PAGE_PATH, pageOf } from "./page.ts";
import { compare, type Output } from "./run_example.ts";

/** Number of examples to compare at once. */
const CONCURRENCY = 2;

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const COMMAND = [process.execPath, ..."Deno" in globalThis ? ["run", "-A"] : [], join(PROJECT, "cli.ts")];

const words = process.argv.slice(2);
const examples = readExamples();
const selected = examples.filter((example) => {
  return words.length === 0 || words.some((word) => Object.values(example).some((text) => `${text}`.includes(word)));
});
let same = 0;
let wrong = 0;
const remaining = selected.values();
await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
  for (const example of remaining) await report(example);
}));
console.log(`${selected.length} examples, ${same} the same, ${wrong} not as stated`);
if (words.length === 0 && wrong === 0) await writeFile(join(PROJECT, PAGE_PATH), pageOf(examples));
process.exitCode = wrong === 0 ? 0 : 1;

/** Runs an example, and prints it if the output differs. */
async function report(example: Example): Promise<void> {
  const { theirs, ours, isSame } = await compare(example, COMMAND);
  if (isSame) same++;
  const isStated = isSame === (example.differs === undefined);
  if (!isStated) wrong++;
  if (isSame && isStated) return;
  const verdict = isStated ? "differs, as stated" : isSame ? "the same, unlike stated" : "DIFFERS";
  console.log(`${example.name}: ${verdict}\n${side(example.theirs, theirs)}${side(example.ours, ours)}`);
}

function side(script: string, { status, stdout, stderr }: Output): string {
  const shown = (text: string) => (text.length > 600 ? `${text.slice(0, 600)}…\n` : text).replace(/^(?=.)/gm, "    ");
  return `  ${script.replaceAll("\n", "\n  ")}\n${shown(stdout)}    [${status}]\n${shown(stderr)}`;
}
