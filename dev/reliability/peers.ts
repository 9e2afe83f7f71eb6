/**
 * Compares the behavior of xargs, GNU parallel and taskrunner (on three runtimes) with the test list of
 * parallel_alternatives(7) and further tests, and prints the results as a Markdown table.
 *
 *     deno task reliability:peers [WORD ...]
 *
 * With WORDs, runs only rows whose titles contain one of them. Needs root on Linux, for small disks and memory limits,
 * up to 5 GB of temporary disk space, and `apt-get install parallel jq util-linux`.
 */

import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";
import { CLI, RUNTIMES } from "../bench/runtimes.ts";
import { parseResult, type TaskResult } from "../../mod.ts";
import { PRELUDE, type Row, ROWS, type Tool, type Tried } from "./peer_rows.ts";

/** Time limit of a test, far above what any working tool needs. */
const TIMEOUT_MS = 600_000;

/** The columns: the tool, which selects the script of a row, and the command that calls it. */
const COLUMNS: { name: string; tool: Tool; call: string }[] = [
  { name: "xargs", tool: "xargs", call: "" },
  { name: "GNU parallel", tool: "parallel", call: "" },
  ...Object.entries(RUNTIMES).map(([runtime, run]) => ({
    name: `taskrunner on ${runtime}`,
    tool: "taskrunner" as const,
    call: `${run.join(" ")} ${CLI} -q`,
  })),
];

const words = process.argv.slice(2).map((word) => word.toLowerCase());
const rows = ROWS.filter(({ title }) => words.length === 0 || words.some((word) => title.toLowerCase().includes(word)));
const table = [["", ...COLUMNS.map(({ name }) => name)], COLUMNS.map(() => "---").concat("---")];
for (const row of rows) {
  const cells: string[] = [];
  for (const { tool, call } of COLUMNS) {
    cells.push(await cellOf(row, tool, call));
    console.error(`${row.title} | ${tool} ${call}: ${cells.at(-1)}`);
  }
  table.push([row.title, ...cells]);
}
console.log(table.map((cells) => `| ${cells.join(" | ")} |`).join("\n"));

/** Runs one row with one tool and returns the text of the cell. */
async function cellOf(row: Row, tool: Tool, call: string): Promise<string> {
  const script = row.scripts[tool];
  if (typeof script !== "string") return script.none;
  const directory = await mkdtemp(join(tmpdir(), "taskrunner-peers-"));
  try {
    for (const [name, content] of Object.entries(row.files ?? {})) {
      await writeFile(join(directory, name), content, { mode: 0o755 });
    }
    const startedMs = performance.now();
    const status = await runScript(script, call, directory);
    const seconds = (performance.now() - startedMs) / 1000;
    if (status === "stuck") return `no: not over after ${TIMEOUT_MS / 1000} s`;
    return await row.verdict(await triedIn(directory, tool, status, seconds));
  } catch (error) {
    return `no: ${(error as Error).message.split("\n", 1)[0]}`;
  } finally {
    await rm(directory, { recursive: true, force: true });
    for (const parent of ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"]) {
      await rmdir(join(parent, basename(directory))).catch(() => {}); // most rows have no control group
    }
  }
}

/**
 * Runs a script with private temporary files, `/dev/shm` and process ids, so that nothing is left behind. Its outputs
 * are pipes, as usual.
 */
async function runScript(script: string, call: string, directory: string): Promise<number | "stuck"> {
  const unshare = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const child = spawn("unshare", [...unshare, "bash", "-c", `${PRELUDE}\n${script}`], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TASKRUNNER: call, SHELL: "/bin/sh", LC_ALL: "C.UTF-8", NO_COLOR: "1" },
  });
  let isStuck = false;
  const timer = setTimeout(() => {
    isStuck = true;
    child.kill("SIGKILL");
  }, TIMEOUT_MS);
  const [[status]] = await Promise.all([
    once(child, "exit"),
    pipeline(child.stdout, createWriteStream(join(directory, "stdout"))),
    pipeline(child.stderr, createWriteStream(join(directory, "stderr"))),
  ]);
  clearTimeout(timer);
  return isStuck ? "stuck" : status;
}

async function triedIn(directory: string, tool: Tool, status: number, seconds: number): Promise<Tried> {
  const text = async (name: string) => (await readFile(join(directory, name)).catch(() => "")).toString("latin1");
  const [stdout, stderr] = [await text("stdout"), await text("stderr")];
  const results: TaskResult[] = tool === "taskrunner" && stdout.startsWith('{"id"')
    ? Buffer.from(stdout, "latin1").toString().split("\n").slice(0, -1).map((line) => parseResult(JSON.parse(line)))
    : [];
  const printed = (stream: "stdout" | "stderr") =>
    results.map((result) => bytesOf(result[stream], result[`${stream}Encoding`])).join("");
  const isRaw = results.length === 0;
  return {
    tool,
    status,
    seconds,
    stdout: isRaw ? stdout : printed("stdout"),
    stderr: isRaw ? stderr : printed("stderr"),
    messages: stderr,
    results,
    file: text,
    exists: (name) => stat(join(directory, name)).then(() => true, () => false),
  };
}

function bytesOf(text: string, encoding: "base64" | undefined): string {
  return Buffer.from(text, encoding ?? "utf8").toString("latin1");
}
