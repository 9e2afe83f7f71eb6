import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { assertEquals } from "@std/assert/equals";
import { Sandbox } from "../../tests/support/sandbox.ts";
import { checkResults, exitStatusAfter } from "./ledger.ts";
import { FLAGS, tasksOf, USUAL } from "./mixture.ts";
import { Sampler, type Watched } from "./sampler.ts";

/** The directory in which the command prefers to keep the output of running tasks. */
export const MEMORY = "/dev/shm";

/** Runs many tasks of all kinds from a file. */
export function runManyTasks(name: string, runtime: readonly string[], count: number): Promise<Watched> {
  return Sandbox.with(async (sandbox) => {
    const input = join(sandbox.directory, "tasks.jsonl");
    await writeTasks(input, count);
    const { child, ended } = sandbox.start([input, "-o", sandbox.output, "-j8", ...FLAGS], { stdin: "" });
    const startedMs = performance.now();
    const sampler = new Sampler(sandbox, child.pid!);
    const { status, stderr } = await ended;
    sampler.stop();
    const seconds = (performance.now() - startedMs) / 1000;
    const { outcomes, failures } = await checkResults(sandbox.output, count);
    assertEquals([status, stderr], [exitStatusAfter(failures), ""]);
    await sandbox.waitForCleanup();
    console.log(
      `${name}: ${count} tasks in ${seconds.toFixed()} s, each with the expected result: ${JSON.stringify(outcomes)}`,
    );
    return { part: "one run", runtime: name, executor: "shell", samples: sampler.samples };
  }, { runtime, memory: MEMORY });
}

async function writeTasks(path: string, count: number): Promise<void> {
  const file = createWriteStream(path);
  const task = tasksOf(USUAL, "shell");
  for (let number = 1; number <= count; number++) {
    if (!file.write(`${JSON.stringify(task(number))}\n`)) await once(file, "drain");
  }
  file.end();
  await finished(file);
}
