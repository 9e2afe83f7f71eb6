import { readRecordedResults } from "../results/recorded_results.ts";
import { formatCount, pluralize } from "../text/format.ts";
import { abortable } from "./abortable.ts";
import { EXIT_ERROR } from "./exit_status.ts";
import type { Io } from "./io.ts";
import { reportChanged } from "./changed_tasks.ts";
import type { CountOptions, TaskInput } from "./task_input.ts";

/** The results of earlier runs that a check takes into account. */
interface EarlierResults {
  /** The path of the results file. */
  file: string;
  /** True if failed tasks run again, not only canceled ones. */
  retryFailed: boolean;
}

/** Checks every line of the input, and reports the numbers of valid and invalid lines. Returns the exit status. */
export async function checkTasks(
  input: TaskInput,
  capacity: CountOptions["capacity"],
  resume: EarlierResults | undefined,
  io: Io,
): Promise<number> {
  const { signal } = io;
  const recorded = resume && (await abortable(readRecordedResults(resume.file, { ...resume, signal }), signal)).index;
  const tasks = await abortable(input.count({ onInvalid: "skip", report: io.stderr, recorded, capacity }), io.signal);
  input.held?.close();
  await reportChanged(input, io);
  const done = input.done + input.kept;
  const counts = [
    pluralize(tasks + done, "valid task") + (resume ? ` (${formatCount(done)} with a result)` : ""),
    pluralize(input.invalid, "invalid line"),
  ];
  await io.stderr(`taskrunner: ${counts.join(", ")}; nothing was run`);
  return input.invalid > 0 ? EXIT_ERROR : 0;
}
