import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { isPermitted } from "../system/deno_permissions.ts";
import { excerpt } from "../text/excerpt.ts";
import { JsonLinesWriter } from "../jsonl/mod.ts";
import type { LiveReport } from "../report/live/live_report.ts";
import type { TaskResult } from "../records/result.ts";
import type { NatsOptions } from "../nats/client/options.ts";
import type { ExecutorFactory } from "../pool/executor.ts";
import type { Run } from "../pool/run.ts";
import { run, type RunOptions } from "../runner.ts";
import { readRecordedResults } from "../results/recorded_results.ts";
import {
  appendOwnResult,
  indexOfResultsFile,
  ResultsFile,
  type ResultsFileOptions,
} from "../results/results_file.ts";
import { ResultsFileError } from "../results/results_file_error.ts";
import { factsOf } from "../results/statistics/results_reader.ts";
import { openTelemetry } from "../telemetry/open.ts";
import { EXIT_ERROR, EXIT_HANGUP, exitStatusOf } from "./exit_status.ts";
import { exitStatusOfHalt } from "./halt_status.ts";
import { noticeFirstProcess } from "./first_process.ts";
import { ClosedOutputError, type Io, notify } from "./io.ts";
import { findInput, type Invocation } from "./commands/invocation.ts";
import { progressDisplay } from "./ui/progress.ts";
import { readSettings, type Settings } from "./args/settings.ts";
import { abortable } from "./abortable.ts";
import { Summary } from "./ui/summary.ts";
import { ThrottleWarning } from "./ui/throttle_warning.ts";
import type { TaskInput } from "./task_input.ts";
import { UsageError } from "./args/usage_error.ts";

/** What the page knows one by one: making it takes time from the run. */
const MAX_LIVE_ROWS = 20_000;

/** Runs tasks and writes results. Gives the exit status. */
export async function runTasks(invocation: Invocation, io: Io): Promise<number> {
  const { flags } = invocation;
  const settings = readSettings(flags);
  const { onInvalid, output, resume } = settings;
  const { halt } = settings.runOptions;
  const input = await findInput(invocation, io);
  if (halt?.percent !== undefined && !input.isRepeatable) {
    throw new UsageError(
      "--halt with a percentage needs a file of tasks or, with each, values after :::, so that their number is known",
    );
  }
  if (settings.isPrint) return await abortable(printTasks(input, onInvalid, io), io.signal);
  const retryFailed = resume === "failed";
  if (settings.isDryRun) {
    const options = { retryFailed, signal: io.signal };
    const recorded = resume && (await abortable(readRecordedResults(output!, options), io.signal)).index;
    const tasks = await abortable(input.count({ onInvalid: "skip", report: io.stderr, recorded }), io.signal);
    const done = resume ? `${input.done} of them have a result, ` : "";
    await reportChanged(input, io);
    await io.stderr(
      `taskrunner: ${tasks + input.done} tasks are valid, ${done}${input.invalid} lines are not; nothing was run`,
    );
    return input.invalid > 0 ? EXIT_ERROR : 0;
  }
  let file = resume && await openResults(output!, { resume: true, retryFailed }, io);
  const recorded = file && indexOfResultsFile(file);
  // A bad line at the end of a file is found before the first task costs anything.
  const report = () => Promise.resolve();
  const check = input.isRepeatable ? input.count({ onInvalid, report, recorded }) : Promise.resolve(undefined);
  const total = await abortable(check, io.signal).catch(async (error) => {
    if (file) await file.close();
    throw error;
  });

  const { watchPort } = settings;
  const live = watchPort === undefined ? undefined : await openLiveReport(watchPort, output ?? input.name);
  if (!file && output !== undefined) file = await openResults(output, {}, io);
  await noticeFirstProcess(io);
  if (live) await io.stderr(`taskrunner: the run can be watched at ${live.url}`);
  const display = progressDisplay(settings.progress, io, file === undefined);
  const say = display?.log ?? io.stderr;
  const mayHold = flags.load !== undefined || flags.memfree !== undefined;
  const notice = mayHold ? new ThrottleWarning(flags, say) : undefined;
  const options: RunOptions = {
    ...settings.runOptions,
    ...(settings.nats && { executor: await natsExecutorFor(settings.nats, output, resume, say) }),
    spillDir: settings.runOptions.spillDir ?? file?.spillDir,
    total,
    signal: io.signal,
    // Without anybody to tell, no task is to pay for the telling.
    onProgress: display || notice || live
      ? (progress) => {
        display?.update(progress);
        notice?.update(progress);
        live?.update(progress);
      }
      : undefined,
  };
  const telemetry = await openTelemetry((text) => notify(say, `taskrunner: ${text}`));
  const results = run(input.tasks({ onInvalid, report: say, recorded }), {
    ...options,
    ...(telemetry && { onAttemptStart: (attempt) => telemetry.startAttempt(attempt) }),
  });
  const control = obeySignals(results, io, say);
  const summary = new Summary();
  let failure: unknown;
  try {
    await write(results, file ? sinkOf(file) : new JsonLinesWriter(io.stdout), (result) => {
      summary.add(result);
      live?.add(factsOf(result), () => result);
      telemetry?.add(result);
    });
    await file?.close();
  } catch (error) {
    failure = error;
    await file?.close().catch(() => {}); // the first error is the one to report
    throw error;
  } finally {
    notice?.stop();
    display?.stop();
    await live?.close("The run has ended; these are its final results.");
    if (!(failure instanceof ClosedOutputError)) {
      await reportChanged(input, io);
      if (!settings.isQuiet && (failure === undefined || summary.tasks > 0)) {
        for (const line of summary.lines(input.done)) await io.stderr(`taskrunner: ${line}`);
      }
    }
    const loss = await telemetry?.close(failure);
    if (loss !== undefined) await io.stderr(`taskrunner: ${loss}`);
  }
  if (input.invalid > 0) return EXIT_ERROR;
  if (control.isDrained) return EXIT_HANGUP;
  if (halt) return exitStatusOfHalt(halt, results.haltedBy, summary.failures, total);
  return exitStatusOf(summary.failures);
}

/** An executor whose run is found again by its results file. Loaded only here: most runs need none of it. */
async function natsExecutorFor(
  nats: NatsOptions,
  output: string | undefined,
  resume: Settings["resume"],
  say: Io["stderr"],
): Promise<ExecutorFactory> {
  const { natsExecutor } = await import("../nats/executor/factory.ts");
  return natsExecutor({
    ...nats,
    ...(output !== undefined && { run: runNameOf(output), resume: resume === "canceled" }),
    onNotice: (text) => notify(say, `taskrunner: ${text}`),
  });
}

/** The name of the run whose results a file has, so that one that was killed is found again, and only from its machine. */
function runNameOf(output: string): string {
  const path = "/etc/machine-id"; // not all systems have it
  const id = isPermitted({ name: "read", path }) && existsSync(path) ? readFileSync(path, "utf8") : "";
  return createHash("sha256").update(`${hostname()}${id}\0${resolve(output)}`).digest("hex").slice(0, 16);
}

/** Writes the tasks instead of running them. */
async function printTasks(input: TaskInput, onInvalid: "abort" | "skip", io: Io): Promise<number> {
  const writer = new JsonLinesWriter(io.stdout);
  try {
    for await (const task of input.tasks({ onInvalid, report: io.stderr, recorded: undefined })) {
      await writer.write(task);
    }
  } finally {
    await writer.flush();
  }
  return input.invalid > 0 ? EXIT_ERROR : 0;
}

/** Opens the file that results are written to, and reports what is wrong with it. */
async function openResults(output: string, options: ResultsFileOptions, io: Io): Promise<ResultsFile> {
  const opening = ResultsFile.open(output, { ...options, signal: io.signal });
  const file = await abortable(opening, io.signal).catch((error) => {
    if (!(error instanceof ResultsFileError) || error.kind !== "not-empty") throw error;
    const remedy = "continue it with --resume, remove it, or name another file";
    throw new Error(`Cannot write results to ${excerpt(output)}: it is not empty; ${remedy}`, { cause: error });
  });
  if (file.lockProblem) {
    const risk = "a second run that writes to it would not be noticed";
    await io.stderr(`taskrunner: ${output}: the file is not locked, as ${file.lockProblem}: ${risk}`);
  }
  if (file.repairedBytes > 0) {
    const torn = `${file.repairedBytes} bytes of an unfinished line at the end`;
    await io.stderr(`taskrunner: ${output}: ${torn} have been cut off; that task runs again`);
  }
  return file;
}

/** Takes results one after the other. */
interface ResultSink {
  write(result: TaskResult): Promise<void>;
  flush(): Promise<void>;
}

/** Returns a sink for a file, for which a pipe without a reader is the same as a closed standard output. */
function sinkOf(file: ResultsFile): ResultSink {
  const rethrow = (error: unknown) => {
    throw error instanceof ResultsFileError && error.kind === "closed" ? new ClosedOutputError() : error;
  };
  return {
    write: (result) => appendOwnResult(file, result).catch(rethrow),
    flush: () => file.flush().catch(rethrow),
  };
}

async function write(results: Run, writer: ResultSink, onResult: (result: TaskResult) => void): Promise<void> {
  try {
    for await (const result of results) {
      onResult(result);
      await writer.write(result);
    }
  } finally {
    await writer.flush();
  }
}

/** A page that shows the run while it goes on. */
async function openLiveReport(port: number, name: string): Promise<LiveReport> {
  const { LiveReport } = await import("../report/live/live_report.ts");
  return await LiveReport.open({ port, name, maxRows: MAX_LIVE_ROWS });
}

/** Lets signals steer the run, and says so. */
function obeySignals(results: Run, io: Io, say: Io["stderr"]): { isDrained: boolean } {
  const control = { isDrained: false };
  io.killSignal.addEventListener("abort", () => results.kill());
  io.onRequest((request) => {
    if (request === "drain") {
      control.isDrained = true;
      results.drain();
      return notify(say, "taskrunner: SIGHUP: what runs is finished, and nothing more is started");
    }
    results.concurrency = Math.max(1, results.concurrency + (request === "one-more" ? 1 : -1));
    notify(say, `taskrunner: ${results.concurrency} at once from now on`);
  });
  return control;
}

async function reportChanged({ changed, changedNames }: TaskInput, io: Io): Promise<void> {
  if (changed === 0) return;
  const more = changed > changedNames.length ? ` and ${changed - changedNames.length} more` : "";
  await io.stderr(
    `taskrunner: what has a result of another command is not run again: ${changedNames.join(", ")}${more}`,
  );
}
