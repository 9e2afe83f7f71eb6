/** Compares commands in shell workers with the same commands in fresh shells. */

import { Buffer } from "node:buffer";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { NO_DEFAULTS, start, taskFile, taskrunner, withTempDirectory } from "./helpers.ts";

/** The observable result of a command. */
export interface Observation {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A command whose results differ, or `undefined` for files that differ. */
export interface Difference {
  command: string | undefined;
  fresh: unknown;
  worker: unknown;
}

/**
 * Runs each command in a fresh shell, with its own session and with pipes. Leaves inherited descriptors open, as Deno does
 * for its child processes; the other runtimes close them before this program starts. Restores the default action of
 * signals, because a script that is started with `&` inherits some as ignored, and tasks do not.
 */
const REFERENCE = `
import concurrent.futures, json, signal, subprocess, sys
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, signal.SIG_DFL)
shell, env, commands = json.load(sys.stdin)
def fresh(command):
    ended = subprocess.run([shell, "-c", "--", command, shell], stdin=subprocess.DEVNULL, capture_output=True,
        start_new_session=True, close_fds=False, env=env)
    status = ended.returncode if ended.returncode >= 0 else 128 - ended.returncode
    return {"status": status, "stdout": ended.stdout.decode("latin1"), "stderr": ended.stderr.decode("latin1")}
with concurrent.futures.ThreadPoolExecutor(2) as two:
    json.dump(list(two.map(fresh, commands)), sys.stdout)`;

/** The variables that a worker adds to the environment. */
const TASK_VARIABLES = { TASKRUNNER_ID: "1", TASKRUNNER_SLOT: "1", TASKRUNNER_ATTEMPT: "1" };

/** Removes the values of {@linkcode TASK_VARIABLES}, which differ, from the output of `export` or `env`. */
function withoutTaskValues(printed: string): string {
  return printed.replace(/\b(TASKRUNNER_(?:ID|SLOT|ATTEMPT)=["']?)\d+/g, "$1");
}

async function runFresh(shell: string, commands: readonly string[], cwd: string): Promise<Observation[]> {
  const env = { ...process.env, NO_COLOR: "1", ...NO_DEFAULTS, ...TASK_VARIABLES };
  const stdin = JSON.stringify([shell, env, commands]);
  const ended = await start("python3", ["-c", REFERENCE], { cwd, stdin }).ended;
  assertEquals([ended.status, ended.stderr], [0, ""]);
  const all: Observation[] = JSON.parse(ended.stdout);
  return all.map((observation) => ({ ...observation, stdout: withoutTaskValues(observation.stdout) }));
}

/** Returns text from a result as a string with one character for each byte. */
export function bytesOf(text: string, encoding: "base64" | undefined): string {
  return (encoding ? Buffer.from(text, encoding) : Buffer.from(text)).toString("latin1");
}

async function runInWorkers(shell: string, commands: readonly string[], directory: string, cwd: string) {
  const tasks = await taskFile(directory, commands.map((cmd) => ({ cmd })));
  const { results, stderr } = await taskrunner(["-j", "4", "-k", "--shell", shell, tasks], { cwd });
  assertEquals([results.length, stderr], [commands.length, ""]);
  return results.map((result): Observation => ({
    status: result.status,
    stdout: withoutTaskValues(bytesOf(result.stdout, result.stdoutEncoding)),
    stderr: bytesOf(result.stderr, result.stderrEncoding),
  }));
}

/** Returns the names of all files in a directory and, for regular files, their contents. */
async function filesIn(directory: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    files[path.slice(directory.length)] = entry.isFile() ? await readFile(path, "latin1") : "";
  }
  return files;
}

/**
 * Runs the commands in fresh shells and in workers, each time in an empty directory, and compares the status, both outputs
 * and the files of the directory. Returns the commands with differences.
 */
export async function shellDifferences(
  shell: string,
  commands: readonly string[],
  normalize: (observation: Observation) => unknown = (observation) => observation,
): Promise<Difference[]> {
  return await withTempDirectory(async (directory) => {
    const cwd = join(directory, "cwd");
    await mkdir(cwd);
    const fresh = await runFresh(shell, commands, cwd);
    const freshFiles = await filesIn(cwd);
    await rm(cwd, { recursive: true });
    await mkdir(cwd);
    const workers = await runInWorkers(shell, commands, directory, cwd);
    const workerFiles = await filesIn(cwd);
    const observations: Difference[] = commands.map((command, index) => ({
      command,
      fresh: normalize(fresh[index]!),
      worker: normalize(workers[index]!),
    }));
    const files = [...new Set([...Object.keys(freshFiles), ...Object.keys(workerFiles)])].map((name) => ({
      command: undefined,
      fresh: { [name]: freshFiles[name] },
      worker: { [name]: workerFiles[name] },
    }));
    return [...observations, ...files].filter(({ fresh, worker }) => JSON.stringify(fresh) !== JSON.stringify(worker));
  });
}
