import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { isPermitted } from "../system/deno_permissions.ts";
import { excerpt } from "../text/excerpt.ts";
import { formatCount, pluralize } from "../text/format.ts";
import { JsonLinesWriter } from "../jsonl/mod.ts";
import type { LiveReport } from "../report/live/live_report.ts";
import type { TaskResult } from "../records/result.ts";
import type { NatsOptions } from "../nats/client/options.ts";
import type { ExecutorFactory } from "../pool/executor.ts";
import type { Run } from "../pool/run.ts";
import { run, type RunOptions } from "../runner.ts";
import { readRecordedResults } from "../results/recorded_results.ts";
import { appendOwnResult, indexOfResultsFile, ResultsFile, type ResultsFileOptions } from "../results/results_file.ts";
import { ResultsFileError } from "../results/results_file_error.ts";
import { factsOf } from "../results/statistics/results_reader.ts";
import { openTelemetry } from "../telemetry/open.ts";
import { EXIT_ERROR, EXIT_HANGUP, exitStatusOf } from "./exit_status.ts";
import { exitStatusOfHalt } from "./halt_status.ts";
import { warnIfFirstProcess } from "./first_process.ts";
import { withoutWrongTotal } from "./input_total.ts";
import { ClosedOutputError, type Io, notify } from "./io.ts";
import { reportInterrupts } from "./ui/interrupt_notice.ts";
import { openDisplay } from "./ui/open_display.ts";
import { abortable } from "./abortable.ts";
import { Summary } from "./ui/summary.ts";
import { ThrottleWarning } from "./ui/throttle_warning.ts";
import type { TaskInput } from "./task_input.ts";
import { UsageError } from "./args/usage_error.ts";

/** The settings of a run. */
export interface RunSettings {
  runOptions: RunOptions;
  /** The options for running the tasks on other machines; undefined for this machine. */
  nats: NatsOptions | undefined;
  onInvalid: "abort" | "skip";
  /** The path of the results file; undefined for standard output. */
  output: string | undefined;
  /** The tasks with a result in the file that run again; undefined when the file must have no results. */
  resume: "canceled" | "failed" | undefined;
  /** The number of tasks of an input that can be read only once; `auto` if the input is copied to count them. */
  total: number | "auto" | undefined;
  /** Shows or hides progress; undefined for the default. */
  progress: boolean | undefined;
  /** The port of the live report; undefined for no report. */
  watchPort: number | undefined;
  isQuiet: boolean;
  isDryRun: boolean;
}

/** Limit of the results that the live report lists, because listing them takes time from the run. */
const MAX_LIVE_ROWS = 20_000;

/** Runs the tasks of an input, and writes their results. Returns the exit status. */
export async function runTasks(settings: RunSettings, input: TaskInput, io: Io): Promise<number> {
  const { onInvalid, output, resume } = settings;
  const { halt, maxLoad, minFreeMemoryBytes } = settings.runOptions;
  if (halt?.percent !== undefined && !input.isRepeatable && typeof settings.total !== "number") {
    throw new UsageError(
      "Cannot use --halt with N%: the number of tasks is unknown; give --total N or --total auto, a task file, or values \
after :::",
    );
  }
  const retryFailed = resume === "failed";
  if (settings.isDryRun) return await checkTasks(settings, input, io);
  let file = resume && await openResults(output!, { resume: true, retryFailed }, io);
  const recorded = file && indexOfResultsFile(file);
  // Checks the whole input first, so that an invalid last line does not end a long run.
  const report = () => Promise.resolve();
  const check = input.isRepeatable
    ? input.count({ onInvalid, report, recorded })
    : Promise.resolve(settings.total === "auto" ? undefined : settings.total);
  const total = await abortable(check, io.signal).catch(async (error) => {
    if (file) await file.close();
    throw error;
  });

  const { watchPort } = settings;
  const live = watchPort === undefined ? undefined : await openLiveReport(watchPort, output ?? input.name);
  if (!file && output !== undefined) file = await openResults(output, {}, io);
  await warnIfFirstProcess(io);
  if (live) await io.stderr(`taskrunner: live report: ${live.url}`);
  const display = openDisplay(settings.progress, io);
  const { log } = display;
  let running = 0;
  reportInterrupts(io, log, () => running);
  const isLimited = maxLoad !== undefined || minFreeMemoryBytes !== undefined;
  const warning = isLimited ? new ThrottleWarning(log) : undefined;
  const options: RunOptions = {
    ...settings.runOptions,
    ...(settings.nats && { executor: await natsExecutorFor(settings.nats, output, resume, log) }),
    spillDir: settings.runOptions.spillDir ?? file?.spillDir,
    total,
    signal: io.signal,
    onProgress(reported) {
      const progress = withoutWrongTotal(reported);
      running = progress.running;
      display.update(progress);
      warning?.update(progress);
      live?.update(progress);
    },
  };
  const telemetry = await openTelemetry((text) => notify(log, `taskrunner: ${text}`));
  const results = run(input.tasks({ onInvalid, report: log, recorded }), {
    ...options,
    ...(telemetry && { onAttemptStart: (attempt) => telemetry.startAttempt(attempt) }),
  });
  const control = handleRequests(results, io, log);
  const summary = new Summary();
  let failure: unknown;
  try {
    await write(results, file ? sinkOf(file) : new JsonLinesWriter(display.stdout), (result) => {
      summary.add(result);
      live?.add(factsOf(result), () => result);
      telemetry?.add(result);
    });
    await display.flush();
    await file?.close();
  } catch (error) {
    failure = error;
    await file?.close().catch(() => {}); // the first error is the one to report
    throw error;
  } finally {
    warning?.stop();
    await display.close();
    await live?.close("The run has ended; these are its final results.");
    if (!(failure instanceof ClosedOutputError)) {
      await reportChanged(input, io);
      if (!settings.isQuiet && (failure === undefined || summary.tasks > 0)) {
        for (const line of summary.lines(input.done)) await log(`taskrunner: ${line}`);
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

/**
 * Creates an executor that names its run after the results file, so that the run can be resumed. Loads the module here,
 * because most runs do not need it.
 */
async function natsExecutorFor(
  nats: NatsOptions,
  output: string | undefined,
  resume: RunSettings["resume"],
  log: Io["stderr"],
): Promise<ExecutorFactory> {
  const { natsExecutor } = await import("../nats/executor/factory.ts");
  return natsExecutor({
    ...nats,
    ...(output !== undefined && { run: runNameOf(output), resume: resume === "canceled" }),
    onNotice: (text) => notify(log, `taskrunner: ${text}`),
  });
}

/** Returns the name of the run that writes a results file. Runs of other machines have other names. */
function runNameOf(output: string): string {
  const path = "/etc/machine-id"; // missing on some systems
  const id = isPermitted({ name: "read", path }) && existsSync(path) ? readFileSync(path, "utf8") : "";
  return createHash("sha256").update(`${hostname()}${id}\0${resolve(output)}`).digest("hex").slice(0, 16);
}

/** Checks every line of the input, and reports the numbers of valid and invalid lines. Returns the exit status. */
async function checkTasks({ resume, output }: RunSettings, input: TaskInput, io: Io): Promise<number> {
  const options = { retryFailed: resume === "failed", signal: io.signal };
  const recorded = resume && (await abortable(readRecordedResults(output!, options), io.signal)).index;
  const tasks = await abortable(input.count({ onInvalid: "skip", report: io.stderr, recorded }), io.signal);
  await reportChanged(input, io);
  const counts = [
    pluralize(tasks + input.done, "valid task") + (resume ? ` (${formatCount(input.done)} with a result)` : ""),
    pluralize(input.invalid, "invalid line"),
  ];
  await io.stderr(`taskrunner: ${counts.join(", ")}; nothing was run`);
  return input.invalid > 0 ? EXIT_ERROR : 0;
}

/** Opens the results file, and reports a missing lock and a repair. */
async function openResults(output: string, options: ResultsFileOptions, io: Io): Promise<ResultsFile> {
  const opening = ResultsFile.open(output, { ...options, signal: io.signal });
  const file = await abortable(opening, io.signal).catch((error) => {
    if (!(error instanceof ResultsFileError) || error.kind !== "not-empty") throw error;
    const remedy = "continue the run with --resume, remove the file, or name another";
    throw new Error(`Cannot write results to ${excerpt(output)}: it is not empty; ${remedy}`, { cause: error });
  });
  if (file.lockProblem) {
    const risk = "a second run could write to it at the same time";
    await io.stderr(`taskrunner: ${output}: the file is not locked, because ${file.lockProblem}; ${risk}`);
  }
  if (file.repairedBytes > 0) {
    const removed = pluralize(file.repairedBytes, "byte");
    await io.stderr(`taskrunner: ${output}: removed an incomplete last line of ${removed}; its task runs again`);
  }
  return file;
}

/** Writes results. */
interface ResultSink {
  write(result: TaskResult): Promise<void>;
  flush(): Promise<void>;
}

/** Returns a sink for a file. A pipe without a reader counts as a closed standard output. */
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

/** Starts the server of the live report. */
async function openLiveReport(port: number, name: string): Promise<LiveReport> {
  const { LiveReport } = await import("../report/live/live_report.ts");
  return await LiveReport.open({ port, name, maxRows: MAX_LIVE_ROWS });
}

/** Drains the run, changes its concurrency or kills it when a signal requests that. */
function handleRequests(results: Run, io: Io, log: Io["stderr"]): { isDrained: boolean } {
  const control = { isDrained: false };
  io.killSignal.addEventListener("abort", () => results.kill());
  io.onRequest((request) => {
    if (request === "drain") {
      control.isDrained = true;
      results.drain();
      return notify(log, "taskrunner: SIGHUP: finishing running tasks, starting no more");
    }
    results.concurrency = Math.max(1, results.concurrency + (request === "increase" ? 1 : -1));
    notify(log, `taskrunner: running up to ${pluralize(results.concurrency, "task")} at once`);
  });
  return control;
}

async function reportChanged({ changed, changedNames }: TaskInput, io: Io): Promise<void> {
  if (changed === 0) return;
  const more = changed > changedNames.length ? ` and ${formatCount(changed - changedNames.length)} more` : "";
  const [have, were] = changed === 1 ? ["has", "was"] : ["have", "were"];
  await io.stderr(
    `taskrunner: ${
      pluralize(changed, "task")
    } already ${have} a result from a different command and ${were} skipped: ` +
      `${changedNames.join(", ")}${more}`,
  );
}
