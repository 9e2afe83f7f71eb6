/**
 * Prints the most frequent words in the files below a directory.
 * Usage, from the root directory of the project: deno run -A examples/word_count/word_count.ts [DIRECTORY [ROWS]]
 */

import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { run, type Task, type TaskResult } from "@x/taskrunner";

const [directory = "/usr/share/common-licenses", rows = "10"] = process.argv.slice(2);

const entries = await readdir(directory, { recursive: true, withFileTypes: true });
const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));

// The file is standard input, so its name is no part of the command. A file that cannot be opened fails the task.
const cmd = String.raw`tr -cs A-Za-z '\n' | tr A-Z a-z | sort | uniq -c`;
const tasks = files.map((file): Task => ({ id: file, cmd, stdin: { file }, env: { LC_ALL: "C" } }));

const counts = new Map<string, number>();
for await (const result of run(tasks)) {
  const { id, outcome, error, stderr } = result;
  if (outcome !== "ok") throw new Error(`Cannot count the words of ${id}: ${error ?? stderr}`);
  for (const [, count, word = ""] of (await wholeOutput(result)).matchAll(/(\d+) ([a-z]+)/g)) {
    counts.set(word, (counts.get(word) ?? 0) + Number(count));
  }
}

const mostFrequent = [...counts].sort(([wordA, a], [wordB, b]) => b - a || (wordA < wordB ? -1 : 1));
for (const [word, count] of mostFrequent.slice(0, Number(rows))) console.log(`${String(count).padStart(7)} ${word}`);
console.error(`${counts.size} different words in ${files.length} files`);

/** Returns the complete output of a task, which is in a file if it is too long for the result. */
async function wholeOutput({ stdout, stdoutFile }: TaskResult): Promise<string> {
  if (stdoutFile === undefined) return stdout;
  const text = await readFile(stdoutFile, "utf8");
  await rm(stdoutFile);
  return text;
}
