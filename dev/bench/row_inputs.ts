/** Writes the files that the contenders of a row read. @module */

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Row } from "./row.ts";

const FILE_BYTES = 4096;

/** The files of a row, as variables, and its working directory. */
export interface Inputs {
  env: Record<string, string>;
  cwd: string;
}

/** Writes the files that a contender's command mentions, and makes its working directory. */
export async function writeInputs(row: Row, usedBy: string, tasks: number, directory: string): Promise<Inputs> {
  const env: Record<string, string> = {};
  for (const [variable, textOf] of Object.entries(FILES)) {
    env[variable] = join(directory, variable.toLowerCase());
    if (usedBy.includes(`$${variable}`)) await writeFile(env[variable], textOf(row.command, tasks));
  }
  const cwd = join(directory, "work");
  await rm(cwd, { recursive: true, force: true });
  await mkdir(cwd);
  if (row.hasFiles) {
    for (let number = 1; number <= tasks; number++) await writeFile(join(cwd, `f${number}`), contentOf(number));
  }
  return { env, cwd };
}

type CommandOf = Row["command"];

/** Functions that return the content of each file. */
const FILES: Readonly<Record<string, (command: CommandOf, tasks: number) => string>> = {
  TASKS: (command, tasks) => textOf(tasks, (number) => `${JSON.stringify({ cmd: command(number) })}\n`),
  COMMANDS: (command, tasks) => textOf(tasks, (number) => `${lineOf(command(number))}\0`),
  VALUES: (_, tasks) => textOf(tasks, (number) => `${number}\n`),
  // Phony targets, so make neither looks for files nor for implicit rules.
  MAKEFILE: (command, tasks) =>
    `.PHONY: all ${textOf(tasks, (number) => `t${number} `)}\nall: ${textOf(tasks, (number) => `t${number} `)}\n` +
    textOf(tasks, (number) => `t${number}:\n\t@${lineOf(command(number))}\n`),
};

function textOf(tasks: number, of: (number: number) => string): string {
  return Array.from({ length: tasks }, (_, index) => of(index + 1)).join("");
}

function lineOf(command: string | readonly string[]): string {
  return typeof command === "string" ? command : command.join(" ");
}

/** Returns text that a compressor can shorten, as usual files. */
function contentOf(number: number): string {
  return `line of file ${number}\n`.repeat(FILE_BYTES).slice(0, FILE_BYTES);
}
