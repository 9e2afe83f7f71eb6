/**
 * Runs 10,000 tasks that each print 64 KiB + 1 byte to standard output and to standard error, and checks every byte.
 * Runs on any runtime:
 *
 *     deno run -A dev/bench/large_outputs.ts [TASKS]     (or bun, or node)
 */

import process from "node:process";
import { run, type Task } from "../../mod.ts";

const BYTES = 64 * 1024 + 1;
const tasks = Number(process.argv[2] ?? 10_000);
const letters = "abcdefghijklmnopqrstuvwxyz";
const letterOf = (id: number) => letters[id % letters.length]!;

function* largeOutputs(): Generator<Task> {
  for (let id = 1; id <= tasks; id++) {
    const print = (letter: string) => `head -c ${BYTES} /dev/zero | tr '\\0' ${letter}`;
    yield { id, cmd: `${print(letterOf(id))} & ${print(letterOf(id + 1))} >&2; wait` };
  }
}

const startedMs = performance.now();
let checked = 0;
for await (const { id, outcome, stdout, stderr } of run(largeOutputs(), { concurrency: 8 })) {
  const right = outcome === "ok" && stdout === letterOf(Number(id)).repeat(BYTES) &&
    stderr === letterOf(Number(id) + 1).repeat(BYTES);
  if (!right) throw new Error(`Task ${id} is wrong: ${outcome}, ${stdout.length} and ${stderr.length} bytes`);
  checked++;
}
if (checked !== tasks) throw new Error(`${checked} results for ${tasks} tasks`);
console.log(`${checked} results, every byte correct, ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
