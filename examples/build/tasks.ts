/**
 * Prints the tasks that build a C program: compile the files in DIRECTORY/src, link the objects, run the program with the
 * inputs in DIRECTORY/tests, and put the tested program at DIRECTORY/build/program. The id of a task contains a checksum of
 * everything that its command reads, so with --resume a task runs again when one of its inputs has changed.
 * Usage, from the root directory of the project: deno run -A examples/build/tasks.ts DIRECTORY
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { sh, type Task } from "@x/taskrunner";

const cwd = resolve(process.argv[2] ?? ".");
const compiler = process.env.CC ?? "cc";

const namesIn = (folder: string, end: string) =>
  readdirSync(join(cwd, folder)).filter((name) => name.endsWith(end)).sort();
const read = (path: string) => readFileSync(join(cwd, path), "utf8");
const checksumOf = (...inputs: string[]) =>
  createHash("sha256").update(JSON.stringify(inputs)).digest("hex").slice(0, 12);

const headers = namesIn("src", ".h").map((name) => read(`src/${name}`));
const compilations = namesIn("src", ".c").map((name) => {
  const checksum = checksumOf(compiler, name, read(`src/${name}`), ...headers);
  const object = `build/${name}-${checksum}.o`;
  const cmd = sh`mkdir -p build && ${compiler} -Wall -O2 -c -o ${object} ${`src/${name}`}`;
  return { object, task: { id: `compile ${name} ${checksum}`, cmd, cwd } satisfies Task };
});

const objects = compilations.map(({ object }) => object);
const linked = checksumOf(compiler, ...objects);
const program = `build/program-${linked}`;
const link: Task = {
  id: `link ${linked}`,
  after: compilations.map(({ task }) => task.id),
  cmd: sh`${compiler} -o ${program} ${objects}`,
  cwd,
};

const tests = namesIn("tests", ".txt").map((name) => {
  const expected = name.replace(/txt$/, "expected");
  const checksum = checksumOf(linked, read(`tests/${name}`), read(`tests/${expected}`));
  return {
    id: `test ${name} ${checksum}`,
    after: link.id!,
    cmd: sh`${program} <${`tests/${name}`} | diff ${`tests/${expected}`} -`,
    cwd,
    timeoutMs: 10_000,
  } satisfies Task;
});

const install: Task = {
  id: `install ${checksumOf(linked, ...tests.map(({ id }) => id))}`,
  after: tests.map(({ id }) => id),
  cmd: sh`cp ${program} build/program`,
  cwd,
};

for (const task of [...compilations.map(({ task }) => task), link, ...tests, install]) {
  console.log(JSON.stringify(task));
}
