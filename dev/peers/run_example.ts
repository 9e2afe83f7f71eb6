/** Runs both commands of an example and compares their output. @module */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Example } from "./examples.ts";

/** Time limit of a script. It only ends scripts that hang. */
const TIMEOUT_MS = 300_000;

/** The files of the tutorial, and the commands that make them. */
const FILES: Readonly<Record<string, string>> = {
  "abc-file": "printf '%s\\n' A B C",
  "def-file": "printf '%s\\n' D E F",
  "abc0-file": "printf '%s\\0' A B C",
  "abc_-file": "printf A_B_C_",
  "tsv-file.tsv": "printf 'f1\\tf2\\nA\\tB\\nC\\tD\\n'",
  "num8": "seq 8",
  "num128": "seq 128",
  "num30000": "seq 30000",
  "num1000000": "seq 1000000",
  "num_%header": "printf '%s\\n' %head1 %head2 1 2 3 4 5 6 7 8 9 10",
  "fixedlen": "printf HHHHAAABBBCCC",
};

/** `stub NAME...` makes programs that print their name and arguments. */
const PRELUDE = `stub() {
  local name
  for name; do
    printf '#!/bin/sh\\nprintf "%%s\\\\n" "%s $*"\\n' "$name" > "$BIN/$name" && chmod +x "$BIN/$name"
  done
}`;

/** The result of a script: the exit status, and its output as text with one character per byte. */
export interface Output {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The results of both scripts of an example. */
export interface Comparison {
  readonly theirs: Output;
  readonly ours: Output;
  /** True if standard output, in a defined order, is the same, and the exit status where it matters. */
  readonly isSame: boolean;
}

/**
 * Runs both scripts of an example, one after the other, each in an empty directory.
 *
 * @param command the words of the command that `taskrunner` stands for.
 */
export async function compare(example: Example, command: readonly string[]): Promise<Comparison> {
  const theirs = await runScript(example, example.theirs, command);
  const ours = await runScript(example, example.ours, command);
  const isSame = (!example.hasStatus || theirs.status === ours.status) &&
    ordered(theirs.stdout, example.unorderedLines) === ordered(ours.stdout, example.unorderedLines);
  return { theirs, ours, isSame };
}

async function runScript(example: Example, script: string, command: readonly string[]): Promise<Output> {
  const directory = await mkdtemp(join(tmpdir(), "taskrunner-peers-"));
  try {
    const [bin, home] = [join(directory, "bin"), join(directory, "home")];
    const cwd = join(directory, "here");
    for (const path of [bin, home, cwd, join(directory, "tmp")]) await mkdir(path);
    await writeFile(join(home, "will-cite"), "");
    // Not sh: dash removes exported functions of bash from the environment.
    const words = command.map((word) => `'${word}'`).join(" ");
    await writeFile(join(bin, "taskrunner"), `#!/usr/bin/env bash\nexec ${words} "$@"\n`);
    await chmod(join(bin, "taskrunner"), 0o755);
    const files = Object.entries(FILES).filter(([name]) => script.includes(name));
    const text = [PRELUDE, ...files.map(([name, make]) => `${make} > '${name}'`), example.setup, script].join("\n");
    // HOME stays: runtimes have their caches there.
    const { TASKRUNNER_FLAGS: _, ...env } = process.env;
    const child = spawn("bash", ["-c", text], {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...env,
        BIN: bin,
        PATH: `${bin}:${env.PATH}`,
        PARALLEL_HOME: home,
        XDG_CONFIG_HOME: home,
        TMPDIR: join(directory, "tmp"),
        // Otherwise, GNU parallel takes the shell of its ancestors. Bash can replace itself with its last command.
        PARALLEL_SHELL: "/bin/bash",
        SHELL: "/bin/bash",
        LC_ALL: "C.UTF-8",
        NO_COLOR: "1",
      },
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("latin1").on("data", (text: string) => output[name] += text);
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    const [status] = await once(child, "close");
    clearTimeout(timer);
    // Scripts may print the working directory.
    return { status, stdout: output.stdout.replaceAll(directory, "/directory"), stderr: output.stderr };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Sorts groups of lines. A text whose lines do not divide into groups stays as it is. */
function ordered(text: string, unorderedLines: number | undefined): string {
  if (unorderedLines === undefined) return text;
  const lines = text.split("\n").slice(0, -1);
  if (!text.endsWith("\n") || lines.length % unorderedLines > 0) return text;
  const groups = Array.from({ length: lines.length / unorderedLines }, (_, index) => {
    return lines.slice(index * unorderedLines, (index + 1) * unorderedLines).join("\n");
  });
  return groups.sort().join("\n");
}
