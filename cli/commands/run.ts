import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { isPermitted } from "../../system/deno_permissions.ts";
import { JsonLinesWriter } from "../../jsonl/mod.ts";
import type { LiveReport } from "../../report/live/live_report.ts";
import type { TaskResult } from "../../records/result.ts";
import type { NatsOptions } from "../../nats/client/options.ts";
import type { ExecutorFactory } from "../../pool/executor.ts";
import type { Run } from "../../pool/pool.ts";
import { run, type RunOptions } from "../../runner.ts";
import { factsOf } from "../../results/statistics/results_reader.ts";
import { openTelemetry } from "../../telemetry/open.ts";
import { EXIT_ERROR, EXIT_HANGUP, exitStatusOf } from "../exit_status.ts";
import { exitStatusOfHalt } from "../halt_status.ts";
import { noticeFirstProcess } from "../first_process.ts";
import { ClosedOutputError, type Io, notify } from "../io.ts";
import { findInput, type Invocation } from "./invocation.ts";
import { readJournal } from "../journal_file.ts";
import { progressDisplay } from "../ui/progress.ts";
import { ResultsFile } from "../results_file.ts";
import { readSettings, type Settings } from "../args/settings.ts";
import { stoppable } from "../stoppable.ts";
import { Summary } from "../ui/summary.ts";
import { ThrottleWarning } from "../ui/throttle_warning.ts";
import type { TaskInput } from "../task_input.ts";
import { UsageError } from "../args/usage_error.ts";

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
  if (settings.isPrint) return await stoppable(printTasks(input, onInvalid, io), io.signal);
  const earlier = resume && await stoppable(readJournal(output!, resume === "failed"), io.signal);
  const journal = earlier?.journal;
  if (settings.isDryRun) {
    const tasks = await stoppable(input.count({ onInvalid: "skip", report: io.stderr, journal }), io.signal);
    const done = resume ? `${input.done} of them have a result, ` : "";
    await reportChanged(input, io);
    await io.stderr(
      `taskrunner: ${tasks + input.done} tasks are valid, ${done}${input.invalid} lines are not; nothing was run`,
    );
    return input.invalid > 0 ? EXIT_ERROR : 0;
  }
  // A bad line at the end of a file is found before the first task costs anything.
  const report = () => Promise.resolve();
  const check = input.isRepeatable ? input.count({ onInvalid, report, journal }) : Promise.resolve(undefined);
  const total = await stoppable(check, io.signal);

  const { watchPort } = settings;
  const live = watchPort === undefined ? undefined : await openLiveReport(watchPort, output ?? input.name);
  const file = output === undefined
    ? undefined
    : await stoppable(ResultsFile.open(output, io.signal, earlier?.end), io.signal);
  if (file?.lockProblem) {
    const risk = "a second run that writes to it would not be noticed";
    await io.stderr(`taskrunner: ${output}: the file is not locked, as ${file.lockProblem}: ${risk}`);
  }
  if (earlier?.end?.tornBytes) {
    const torn = `${earlier.end.tornBytes} bytes of an unfinished line at the end`;
    await io.stderr(`taskrunner: ${output}: ${torn} have been cut off; that task runs again`);
  }
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
  const results = run(input.tasks({ onInvalid, report: say, journal }), {
    ...options,
    ...(telemetry && { onAttemptStart: (attempt) => telemetry.startAttempt(attempt) }),
  });
  const control = obeySignals(results, io, say);
  const summary = new Summary();
  let failure: unknown;
  try {
    await write(results, new JsonLinesWriter(file ?? io.stdout), (result) => {
      summary.add(result);
      live?.add(factsOf(result), () => result);
      telemetry?.add(result);
    });
    file?.check(); // what was written at last is there, too
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    notice?.stop();
    display?.stop();
    await live?.close("The run has ended; these are its final results.");
    await file?.close();
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
  const { natsExecutor } = await import("../../nats/executor/factory.ts");
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
    for await (const task of input.tasks({ onInvalid, report: io.stderr, journal: undefined })) {
      await writer.write(task);
    }
  } finally {
    await writer.flush();
  }
  return input.invalid > 0 ? EXIT_ERROR : 0;
}

async function write(results: Run, writer: JsonLinesWriter, onResult: (result: TaskResult) => void): Promise<void> {
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
  const { LiveReport } = await import("../../report/live/live_report.ts");
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
