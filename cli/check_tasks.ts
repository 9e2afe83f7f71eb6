import { readRecordedResults } from "../results/recorded_results.ts";
import { formatCount, pluralize } from "../text/format.ts";
import { abortable } from "./abortable.ts";
import { EXIT_ERROR } from "./exit_status.ts";
import type { Io } from "./io.ts";
import type { RunSettings } from "./run_tasks.ts";
import { reportChanged } from "./changed_tasks.ts";
import type { TaskInput } from "./task_input.ts";

/** Checks every line of the input, and reports the numbers of valid and invalid lines. Returns the exit status. */
export async function checkTasks({ resume, output }: RunSettings, input: TaskInput, io: Io): Promise<number> {
  const options = { retryFailed: resume === "failed", signal: io.signal };
  const recorded = resume && (await abortable(readRecordedResults(output.file!, options), io.signal)).index;
  const tasks = await abortable(input.count({ onInvalid: "skip", report: io.stderr, recorded }), io.signal);
  await reportChanged(input, io);
  const counts = [
    pluralize(tasks + input.done, "valid task") + (resume ? ` (${formatCount(input.done)} with a result)` : ""),
    pluralize(input.invalid, "invalid line"),
  ];
  await io.stderr(`taskrunner: ${counts.join(", ")}; nothing was run`);
  return input.invalid > 0 ? EXIT_ERROR : 0;
}
