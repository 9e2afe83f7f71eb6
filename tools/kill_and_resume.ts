/**
 * Kills runs with SIGKILL at random instants, resumes each until it is done, and checks that no result is lost, doubled
 * or torn, and that no task whose result was written runs again. A shorter version is among the tests.
 *
 *     deno task kill [--runs 200] [--seed 1] [deno] [bun] [node]
 */

import { parseArgs } from "@std/cli/parse-args";
import { spawn } from "node:child_process";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { CLI, RUNTIMES } from "../bench/runtimes.ts";
import { parseResult } from "../mod.ts";

const TASKS = 100;
const TORN = '{"id":"t1","status":0,"outcome":"ok","attempts":1,"slot":1,"stdout":"';
const EXECUTORS = ["shell", "process"];

const { runs = "200", seed = "1", _: names } = parseArgs(process.argv.slice(2), { string: ["runs", "seed", "_"] });
const random = randomNumbers(Number(seed));
const runtimes = (names as string[]).length > 0 ? names as string[] : Object.keys(RUNTIMES);
for (const name of runtimes) {
  let wholeMs = Infinity;
  const totals = { kills: 0, tornLines: 0, tasksRunTwice: 0 };
  for (let run = -1; run < Number(runs); run++) {
    const executor = EXECUTORS[Math.max(0, run) % EXECUTORS.length]!;
    const directory = await mkdtemp(join(tmpdir(), "taskrunner-kill-"));
    try {
      const startedMs = performance.now();
      const { kills, tornLines, tasksRunTwice } = await killUntilDone(RUNTIMES[name]!, executor, directory, wholeMs);
      if (run === -1) wholeMs = performance.now() - startedMs; // the first is left alone, to see how long it takes
      totals.kills += kills;
      totals.tornLines += tornLines;
      totals.tasksRunTwice += tasksRunTwice;
    } catch (error) {
      throw new Error(`${name}, ${executor}, run ${run} (its files are in ${directory})`, { cause: error });
    }
    await rm(directory, { recursive: true });
  }
  const { kills, tornLines, tasksRunTwice } = totals;
  console.log(
    `${name}: ${runs} runs of ${TASKS} tasks, ${kills} kills, ${tornLines} torn lines cut off, ` +
      `${tasksRunTwice} tasks ran again that had no result: every id has one result`,
  );
}

async function killUntilDone(runtime: readonly string[], executor: string, directory: string, wholeMs: number) {
  const [input, output, ran] = ["tasks.jsonl", "results.jsonl", "ran"].map((file) => join(directory, file));
  // Large enough that a line is written in pieces, and small enough that many are.
  const tasks = Array.from({ length: TASKS }, (_, index) => {
    const bytes = Math.floor(random() ** 4 * 200_000);
    return { id: `t${index}`, cmd: `echo t${index} $ROUND >> ${ran}; head -c ${bytes} /dev/zero | tr '\\0' x` };
  });
  await writeFile(input!, tasks.map((task) => JSON.stringify(task) + "\n").join(""));
  const args = [...runtime.slice(1), CLI, input!, "-j4", "-q", "-o", output!, "--resume", "--executor", executor];
  /** The round after which a task had a result. */
  const roundOfResult = new Map<string, number>();
  let [kills, tornLines, before] = [0, 0, ""];
  for (let round = 1;; round++) {
    const child = spawn(runtime[0]!, args, {
      env: { ...process.env, ROUND: `${round}` },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text) => stderr += text);
    const timer = wholeMs < Infinity ? setTimeout(() => child.kill("SIGKILL"), random() * wholeMs) : undefined;
    const [status] = await once(child, "close");
    clearTimeout(timer);
    const text = await read(output!);
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    check(whole.startsWith(before), "a result that was written has changed");
    for (const line of whole.slice(before.length).split("\n").slice(0, -1)) {
      const { id, stdout, stdoutBytes } = parseResult(JSON.parse(line));
      check(!roundOfResult.has(id), `${id} has two results`);
      check(stdoutBytes === undefined && /^x*$/.test(stdout), `${id} has another output`);
      roundOfResult.set(id, round);
    }
    before = whole;
    if (status === 0) {
      check(text === whole, "a torn line is left");
      break;
    }
    check(status === null || status === 137, `status ${status}: ${stderr}`);
    kills++;
    // As a write that was not finished leaves it, which is too rare to wait for.
    if (random() < 0.5) await appendFile(output!, TORN.slice(0, 1 + random() * (TORN.length - 1)));
    if (await read(output!) !== whole) tornLines++;
  }
  check(roundOfResult.size === TASKS, `${roundOfResult.size} tasks have a result`);
  const starts = (await readFile(ran!, "utf8")).trimEnd().split("\n").map((line) => line.split(" "));
  for (const [id, round] of starts) {
    check(Number(round) <= roundOfResult.get(id!)!, `${id} ran again in round ${round}, after it had a result`);
  }
  const tasksRunTwice = starts.length - new Set(starts.map(([id]) => id)).size;
  return { kills, tornLines, tasksRunTwice };
}

/** What a file holds, if it is there yet. */
function read(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

function check(holds: boolean, problem: string): void {
  if (!holds) throw new Error(problem);
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
