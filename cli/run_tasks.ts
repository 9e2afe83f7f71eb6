import type { NatsOptions } from "../nats/client/options.ts";
import type { TaskResult } from "../records/result.ts";
import type { LiveReport } from "../report/live/live_report.ts";
import type { ResultsFileOptions } from "../results/results_file.ts";
import { excerpt } from "../text/excerpt.ts";
import { releaseLazyTexts } from "../text/lazy_text.ts";
import { type RunOptions, startRun } from "../runner.ts";
import { openTelemetry } from "../telemetry/open.ts";
import { abortable } from "./abortable.ts";
import { UsageError } from "./args/usage_error.ts";
import { EXIT_ERROR, EXIT_HANGUP, exitStatusOf } from "./exit_status.ts";
import { warnIfFirstProcess } from "./first_process.ts";
import { withoutWrongTotal } from "./input_total.ts";
import { ClosedOutputError, type Io, notify } from "./io.ts";
import type { OpenResults } from "./output/open_results.ts";
import type { OutputSettings } from "./output/output_settings.ts";
import { RunOutput } from "./output/run_output.ts";
import { handleRequests } from "./run_control.ts";
import type { TaskInput } from "./task_input.ts";
import { reportInterrupts } from "./ui/interrupt_notice.ts";
import { openDisplay } from "./ui/open_display.ts";
import { Summary } from "./ui/summary.ts";
import type { LearnedDurations } from "./workflow/learned_durations.ts";

/** A resource of a run. */
interface ResourceSettings {
  readonly units: number;
  /** A variable for the numbers of the units, besides the usual one. */
  readonly variable: string | undefined;
}

/** The settings of a run. */
export interface RunSettings {
  runOptions: RunOptions;
  /** The resources of the run, by their names. */
  resources: Readonly<Record<string, ResourceSettings>>;
  /** The limit of tasks of a stream that wait; undefined for the default. */
  maxWaiting: { readonly tasks: number } | { readonly bytes: number } | undefined;
  /** The path of the results from which the run learns durations. */
  learnFile: string | undefined;
  /** The options for running the tasks on other machines; undefined for this machine. */
  nats: NatsOptions | undefined;
  onInvalid: "abort" | "skip";
  output: OutputSettings;
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
  const { onInvalid, output: { file: path, format }, resume, isQuiet } = settings;
  const { halt, maxLoad, minFreeMemoryBytes } = settings.runOptions;
  if (halt?.percent !== undefined && !input.isRepeatable && typeof settings.total !== "number") {
    throw new UsageError(
      "Cannot use --halt with N%: the number of tasks is unknown; give --total N or --total auto, a task file, or values \
after :::",
    );
  }
  // Loaded now, because a new version may replace the files during the run.
  const atHalt = halt && await import("./halt_status.ts");
  const atResumedEnd = resume && await import("./changed_tasks.ts");
  const retryFailed = resume === "failed";
  const capacity = async () => await (await import("./capacity.ts")).capacityOf(settings);
  if (settings.isDryRun) {
    const { checkTasks } = await import("./check_tasks.ts");
    return await checkTasks(input, capacity, resume && { file: path!, retryFailed }, io);
  }
  const durations = settings.learnFile === undefined ? undefined : await openDurations(settings.learnFile, io);
  const resumed = resume && await openResults(path!, { resume: true, retryFailed }, io);
  const recorded = resumed?.recorded;
  let file = resumed?.file;
  // Checks the whole input first, so that an invalid last line does not end a long run.
  const report = () => Promise.resolve();
  const check = input.isRepeatable
    ? input.count({ onInvalid, report, recorded, capacity })
    : Promise.resolve(settings.total === "auto" ? undefined : settings.total);
  const total = await abortable(check, io.signal).catch(async (error) => {
    input.held?.close();
    if (file) await file.close();
    throw error;
  });

  const { watchPort } = settings;
  const live = watchPort === undefined ? undefined : await openLiveReport(watchPort, path ?? input.name);
  if (!file && path !== undefined) ({ file } = await openResults(path, {}, io));
  await warnIfFirstProcess(io);
  if (live) await io.stderr(`taskrunner: live report: ${live.report.url}`);
  const display = await openDisplay(settings.progress, io);
  const { log } = display;
  const hasTemporarySpillFiles = settings.runOptions.spillDir === undefined;
  const output = await RunOutput.open(settings.output, file, display, {
    ...io,
    isQuiet,
    hasTemporarySpillFiles,
  });
  const isLimited = maxLoad !== undefined || minFreeMemoryBytes !== undefined;
  const warning = isLimited ? new (await import("./ui/throttle_warning.ts")).ThrottleWarning(log) : undefined;
  const options: RunOptions = {
    ...settings.runOptions,
    ...(settings.nats && { executor: await openNatsExecutor(settings.nats, path, resume, log) }),
    spillDir: settings.runOptions.spillDir ?? file?.spillDir,
    total,
    resources: settings.resources,
    recorded,
    maxWaiting: settings.maxWaiting,
    ...(durations && { estimateMs: (id: string) => durations.msOf(id) }),
    signal: io.signal,
    onOutput: output.onOutput,
    outputBy: "lines",
    onProgress: !display.showsProgress && !warning && !live ? undefined : (reported) => {
      const progress = withoutWrongTotal(reported);
      display.update(progress);
      warning?.update(progress);
      live?.report.update(progress);
    },
  };
  const telemetry = await openTelemetry((text) => notify(log, `taskrunner: ${text}`));
  const tasks = input.tasks({ onInvalid, report: log, recorded });
  const onAttemptStart: RunOptions["onAttemptStart"] = telemetry && ((attempt) => telemetry.startAttempt(attempt));
  const facts = { isWorkflow: input.isWorkflow, isReadFirst: input.isReadFirst, held: input.held };
  const results = startRun(tasks, { ...options, onAttemptStart }, facts, { isLazy: true });
  reportInterrupts(io, log, () => results.running);
  const control = handleRequests(results, io, log);
  const summary = new Summary();
  let failure: unknown;
  try {
    try {
      for await (const result of results) {
        summary.add(result);
        live?.add(result);
        telemetry?.add(result);
        const wait = output.write(result);
        if (wait) await wait;
        releaseLazyTexts(result);
      }
    } finally {
      await output.close();
    }
    await display.flush();
    await file?.close();
  } catch (error) {
    failure = error;
    await file?.close().catch(() => {}); // the first error is the one to report
    throw error;
  } finally {
    input.held?.close();
    warning?.stop();
    await display.close();
    await live?.report.close("The run has ended; these are its final results.");
    if (!(failure instanceof ClosedOutputError)) {
      await atResumedEnd?.reportChanged(input, io);
      if (results.haltedBy && !isQuiet) {
        await log(
          `taskrunner: --halt ended the run after ${excerpt(results.haltedBy.id)}; other tasks may not have run`,
        );
      }
      if (!isQuiet) { for (const line of summary.skipLines()) await log(`taskrunner: ${line}`); }
      const isWanted = !isQuiet && (format !== "text" || io.stderrIsTerminal || file !== undefined);
      if (isWanted && (failure === undefined || summary.tasks > 0)) {
        for (const line of summary.lines(input.done + input.kept)) await log(`taskrunner: ${line}`);
      }
    }
    const loss = await telemetry?.close(failure);
    if (loss !== undefined) await io.stderr(`taskrunner: ${loss}`);
  }
  if (input.invalid > 0 || results.hasInvalidPrerequisites) return EXIT_ERROR;
  if (control.isDrained) return EXIT_HANGUP;
  if (halt) return atHalt!.exitStatusOfHalt(halt, results.haltedBy, summary.failures, total);
  return exitStatusOf(summary.failures);
}

/** Loads the module for results files, and opens a file. */
async function openResults(path: string, options: ResultsFileOptions, io: Io): Promise<OpenResults> {
  return await (await import("./output/open_results.ts")).openResults(path, options, io);
}

/** Loads the reader of durations, and reads the results of an earlier run. */
async function openDurations(path: string, io: Io): Promise<LearnedDurations> {
  const { readDurations } = await import("./workflow/learned_durations.ts");
  return await abortable(readDurations(path, io), io.signal);
}

/** A live report, and a function that adds a result to the report. */
interface OpenLiveReport {
  readonly report: LiveReport;
  readonly add: (result: TaskResult) => void;
}

/** Loads the live report, and starts its server. */
async function openLiveReport(port: number, name: string): Promise<OpenLiveReport> {
  const [{ LiveReport }, { factsOf }] = await Promise.all([
    import("../report/live/live_report.ts"),
    import("../results/statistics/results_reader.ts"),
  ]);
  const report = await LiveReport.open({ port, name, maxRows: MAX_LIVE_ROWS });
  return { report, add: (result) => report.add(factsOf(result), () => result) };
}

/** Loads the executor that sends tasks to other machines. */
async function openNatsExecutor(
  nats: NatsOptions,
  path: string | undefined,
  resume: RunSettings["resume"],
  log: Io["stderr"],
): Promise<RunOptions["executor"]> {
  return await (await import("./nats_executor.ts")).natsExecutorFor(nats, path, resume === "canceled", log);
}
