import { availableParallelism } from "node:os";
import { excerpt } from "../internal/excerpt.ts";
import { EXECUTORS } from "../executors/mod.ts";
import { JsonLinesWriter } from "../jsonl.ts";
import { run, type RunOptions } from "../runner.ts";
import type { Arguments } from "./arguments.ts";
import { EXIT_ERROR, exitStatusOf } from "./exit_status.ts";
import type { FLAGS } from "./flags.ts";
import type { Io } from "./io.ts";
import { ResultsFile } from "./results_file.ts";
import { TaskInput } from "./task_input.ts";
import { parseJobs, parseSize } from "./units.ts";
import { UsageError } from "./usage_error.ts";

type Flags = Arguments<typeof FLAGS>["flags"];

/** `taskrunner [run] [FILE|-]`: runs tasks and writes results. Gives the exit status. */
export async function runTasks(flags: Flags, operands: readonly string[], io: Io): Promise<number> {
  const options = runOptions(flags);
  const onInvalid = oneOf("--on-invalid", flags["on-invalid"] ?? "abort", ["abort", "skip"]);
  if (operands.length > 1) {
    throw new UsageError(`One file of tasks can be given, got ${operands.map(excerpt).join(" and ")}`);
  }
  const input = await TaskInput.find(operands[0], io);
  if (flags["dry-run"]) {
    const tasks = await stoppable(input.count("skip"), io.signal);
    await io.stderr(`taskrunner: ${tasks} tasks are valid, ${input.invalid} lines are not; nothing was run`);
    return input.invalid > 0 ? EXIT_ERROR : 0;
  }
  // A bad line at the end of a file is found before the first task costs anything.
  if (input.isFile && onInvalid === "abort") await stoppable(input.count("abort"), io.signal);

  const file = flags.output === undefined || flags.output === "-"
    ? undefined
    : await stoppable(ResultsFile.open(flags.output), io.signal);
  const writer = new JsonLinesWriter(file ?? io.stdout);
  const spillDir = flags["spill-dir"] ?? file?.spillDir;
  const results = run(input.tasks(onInvalid), { ...options, spillDir, signal: io.signal });
  io.killSignal.addEventListener("abort", () => results.kill());
  let failed = 0;
  try {
    for await (const result of results) {
      if (result.outcome !== "ok") failed++;
      await writer.write(result);
    }
  } finally {
    try {
      await writer.flush();
    } finally {
      await file?.close();
    }
  }
  return input.invalid > 0 ? EXIT_ERROR : exitStatusOf(failed);
}

function runOptions(flags: Flags): RunOptions {
  return {
    concurrency: flags.jobs === undefined ? undefined : parseJobs("--jobs", flags.jobs, availableParallelism()),
    keepOrder: flags["keep-order"],
    executor: oneOf("--executor", flags.executor ?? EXECUTORS[0], EXECUTORS),
    shell: flags.shell,
    maxInlineBytes: flags["max-inline"] === undefined
      ? undefined
      : parseSize("--max-inline", flags["max-inline"], "32M"),
  };
}

function oneOf<const Choice extends string>(flag: string, value: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((choice) => choice === value);
  if (choice !== undefined) return choice;
  throw new UsageError(`${flag} must be ${choices.join(" or ")}, got ${excerpt(value)}`);
}

/** Waits for work that cannot be interrupted, and not beyond the signal. */
async function stoppable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const stopped = Promise.withResolvers<never>();
  const stop = () => stopped.reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
