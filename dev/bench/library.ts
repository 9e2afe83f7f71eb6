/**
 * Runs the tasks of a file with `run()` in a program that holds memory, and writes the results to another file.
 *
 *     node dev/bench/library.ts TASKS.jsonl RESULTS.jsonl JOBS MEGABYTES
 */

import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import process from "node:process";
import { JsonLinesWriter, readTasks, run } from "../../mod.ts";
import { measureWithMemory } from "./ballast.ts";

const [tasks, results, jobs, megabytes] = process.argv.slice(2);
await measureWithMemory(Number(megabytes), async () => {
  const file = await open(results!, "w");
  const writer = new JsonLinesWriter({ write: (bytes) => file.writeFile(bytes) });
  for await (const result of run(readTasks(createReadStream(tasks!)), { concurrency: Number(jobs) })) {
    await writer.write(result);
  }
  await writer.flush();
  await file.close();
});
