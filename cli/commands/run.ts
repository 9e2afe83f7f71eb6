import type { NatsOptions } from "../../nats/client/options.ts";
import type { RetryOutcome } from "../../pool/retry.ts";
import type { RunOptions } from "../../runner.ts";
import { excerpt } from "../../text/excerpt.ts";
import type { FlagGroups, Flags, FlagsOf, FlagValues } from "../args/flag.ts";
import { HALT } from "../args/halt.ts";
import { RESOURCE, resourcesOf, WAITING_LIMIT } from "../args/resources.ts";
import { LOGIN_FLAGS, readNatsConnection, readQueues, SERVER_FLAG } from "../args/nats_flags.ts";
import {
  countFrom,
  countOr,
  DURATION,
  durationFrom,
  JOBS,
  listOf,
  LOAD,
  oneOf,
  PORT,
  SIZE,
  sizeUpTo,
  text,
} from "../args/units.ts";
import { UsageError } from "../args/usage_error.ts";
import { defineCommand } from "../command.ts";
import type { Io } from "../io.ts";
import type { OutputFormat, OutputSettings } from "../output/output_settings.ts";
import type { ColorMode } from "../output/tag.ts";
import type { RunSettings } from "../run_tasks.ts";

/** The executors for tasks on this machine. */
export const EXECUTOR = oneOf<Extract<RunOptions["executor"], string>>({ shell: true, process: true });

const RETRY_OUTCOMES = listOf<RetryOutcome>("OUTCOME", {
  "failed": true,
  "killed": true,
  "timeout": true,
  "not-started": true,
  "output-limit": true,
});

const NATS_FLAGS = {
  "nats": { ...SERVER_FLAG, help: "NATS server that passes the tasks to workers" },
  "queue": { unit: text("NAME"), help: "queue to send the tasks to" },
  "ack-wait": {
    unit: durationFrom(100),
    help: "time without a heartbeat after which a worker counts as lost",
    default: "30s",
  },
  "nats-replicas": { unit: countFrom(1, 5), help: "number of servers that store tasks and results", default: "1" },
  ...LOGIN_FLAGS,
} as const satisfies Flags;

/** The flags of `run` and `each`. */
export const RUN_FLAGS = {
  "Input and output": {
    "output": {
      short: "o",
      unit: text("FILE", "file"),
      help: "write results to FILE; without --resume, FILE must be new or empty",
    },
    "format": {
      unit: oneOf<OutputFormat>({ text: true, json: true, none: true }),
      help: "form of standard output: what the tasks print, their results, or nothing",
      default: "text for each; json for run, or none with -o FILE",
    },
    "tag": { help: "put the id of the task and a tab before each line of text" },
    "lines": { help: "write lines of text while their tasks run, instead of after each task" },
    "color": {
      unit: oneOf<ColorMode>({ auto: true, always: true, never: true }),
      help: "color the tags of --tag",
      default: "auto, for a terminal if NO_COLOR is not set",
    },
    "record-cmd": { help: "add the command of the task to each result" },
    "resume": { help: "skip tasks with a result in the file of -o, and append new results" },
    "resume-failed": { help: "like --resume, but rerun tasks whose last outcome is not ok" },
    "keep-order": {
      short: "k",
      help: "write results in the order of the tasks",
      default: "order of completion",
    },
    "on-invalid": {
      unit: oneOf({ abort: true, skip: true }),
      help: "how to handle an invalid line: end the run, or report and skip the line",
      default: "abort",
    },
    "max-inline": {
      unit: sizeUpTo("32M"),
      help: "size of each output that a result includes, up to 32M",
      default: "1M",
    },
    "spill-dir": {
      unit: text("DIR", "directory"),
      help: "directory for files with larger output",
      default: "FILE.output, or a temporary directory",
    },
    "max-output": {
      unit: { ...SIZE, parse: (flag, value) => value === "none" ? Infinity : SIZE.parse(flag, value) },
      help: "end a task that prints more to stdout or stderr; none for no limit",
      default: "1G",
    },
    "dry-run": { help: "check every line without running tasks" },
  },
  "Scheduling": {
    "jobs": {
      short: "j",
      aliases: ["-P", "--max-procs"],
      unit: JOBS,
      help: "number of tasks to run at once",
      default: "the available CPUs; 10,000 with --nats",
    },
    "timeout": { unit: DURATION, help: "time limit of each attempt", default: "0, no limit" },
    "kill-after": {
      unit: DURATION,
      help: "time between SIGTERM and SIGKILL when ending a task",
      default: "5s",
    },
    "retries": { unit: countFrom(0), help: "number of retries after a failed attempt", default: "0" },
    "retry-on": {
      unit: RETRY_OUTCOMES,
      help: "retry after these outcomes: failed, killed, timeout, not-started, output-limit",
      default: "failed,killed,timeout",
    },
    "retry-delay": {
      unit: DURATION,
      help: "delay before the first retry, doubled before each further retry up to 5m",
      default: "0",
    },
    "delay": { unit: DURATION, help: "minimum time between two starts", default: "0" },
    "resource": {
      unit: RESOURCE,
      repeats: true,
      help: "resource of the run, such as gpu=2, of which tasks use units",
      default: "none",
    },
    "max-waiting": {
      unit: WAITING_LIMIT,
      help: "limit of the tasks of a stream that have been read and wait",
      default: "100000 tasks and 256M",
    },
    "learn": {
      unit: text("FILE", "file"),
      help: "start first what most time depends on, by the durations in the results in FILE",
    },
    "load": {
      unit: LOAD,
      help: "start tasks only while fewer than N threads run or wait for a CPU or a disk",
      default: "no limit",
    },
    "memfree": { unit: SIZE, help: "start tasks only while SIZE of memory is free", default: "no limit" },
    "halt": { unit: HALT, help: "end the run early, as in now,fail=1 or soon,done=10%", default: "never" },
    "executor": {
      unit: EXECUTOR,
      help: "run tasks in long-lived shells, or start a process for each",
      default: "shell",
    },
    "shell": { unit: text("PATH", "program"), help: "shell for commands given as a string", default: "sh" },
  },
  "Display": {
    "total": {
      unit: countOr("auto", 1),
      help: "number of tasks on standard input, for the progress and --halt N%; auto reads all input first, up to 1G",
      default: "unknown",
    },
    "progress": {
      help: "show progress on standard error",
      default: "when standard error is a terminal",
      negation: "hide progress",
    },
    "watch": {
      unit: PORT,
      help: "serve a live report on 127.0.0.1:PORT and print its address; 0 for a free port",
    },
    "quiet": { short: "q", help: "print neither failed tasks nor a summary" },
  },
  "Other machines (any of these flags sends the tasks to workers)": NATS_FLAGS,
} as const satisfies FlagGroups;

/** The values of the flags of `run` and `each`. */
export type RunFlags = FlagValues<FlagsOf<typeof RUN_FLAGS>>;

/** `taskrunner run`: runs the tasks of a file or of standard input. */
export const run = defineCommand({
  name: "run",
  usage: "[TASKS.jsonl | -] [FLAGS]",
  summary: "Run tasks from a file or standard input",
  examples: [
    {
      command: "taskrunner run tasks.jsonl -o results.jsonl",
      text: "Run the tasks of a file, and write their results to another",
    },
    { command: "taskrunner run tasks.jsonl -o results.jsonl --resume", text: "Continue the run after an interruption" },
    {
      command: 'printf \'{"cmd":"echo %s"}\\n\' a b | taskrunner run -k | jq -r .stdout',
      text: "Run tasks from another program, and pass on what they print",
    },
  ],
  topics: ["tasks", "exit-status", "nats"],
  operandCompletes: "file",
  flags: RUN_FLAGS,
  async run({ flags, operands }, io) {
    if (operands.length > 1) {
      throw new UsageError(`Expected one task file, got ${operands.map(excerpt).join(" and ")}`);
    }
    const settings = await readSettings(flags, "json");
    const [{ runTasks }, { TaskFile }] = await Promise.all([import("../run_tasks.ts"), import("../task_file.ts")]);
    const inputIo = await inputIoOf(settings, io);
    return await runTasks(settings, await TaskFile.open(operands[0], inputIo), io);
  },
});

/** Returns the streams to read the input from: a copy of standard input for `--total auto`. */
export async function inputIoOf({ total }: RunSettings, io: Io): Promise<Io> {
  return total === "auto" ? (await import("../input_copy.ts")).withInputCopy(io) : io;
}

/**
 * Returns the settings that the flags make.
 *
 * @param byDefault the format of standard output without a flag that chooses one.
 * @throws {UsageError} for flags that exclude each other.
 */
export async function readSettings(flags: RunFlags, byDefault: "text" | "json"): Promise<RunSettings> {
  const output = readOutput(flags, byDefault);
  const resume = flags["resume-failed"] ? "failed" : flags.resume ? "canceled" : undefined;
  if (resume && output.file === undefined) throw new UsageError("Missing -o FILE: the results file to resume");
  if (flags.learn === "-") {
    throw new UsageError("Cannot use --learn -: standard input is for tasks and values; name a file");
  }
  if (flags.watch !== undefined && flags["dry-run"]) {
    throw new UsageError("Cannot use --watch with --dry-run: a dry run runs no tasks");
  }
  return {
    runOptions: {
      concurrency: flags.jobs,
      keepOrder: flags["keep-order"],
      timeoutMs: flags.timeout || undefined, // 0 is no limit, as for timeout(1)
      killAfterMs: flags["kill-after"],
      retry: { limit: flags.retries, delayMs: flags["retry-delay"], on: flags["retry-on"] },
      startDelayMs: flags.delay,
      maxLoad: flags.load,
      minFreeMemoryBytes: flags.memfree,
      halt: flags.halt,
      executor: flags.executor,
      shell: flags.shell,
      maxInlineBytes: flags["max-inline"],
      spillDir: flags["spill-dir"],
      maxOutputBytes: flags["max-output"],
      recordCommand: flags["record-cmd"],
    },
    resources: await resourcesOf(flags.resource ?? []),
    maxWaiting: flags["max-waiting"],
    learnFile: flags.learn,
    nats: await readNatsOptions(flags),
    onInvalid: flags["on-invalid"] ?? "abort",
    output,
    resume,
    total: flags.total,
    progress: flags.progress,
    watchPort: flags.watch,
    isQuiet: flags.quiet ?? false,
    isDryRun: flags["dry-run"] ?? false,
  };
}

/**
 * Returns the settings of the output. `-o -` is standard output as a results file.
 *
 * @throws {UsageError} for flags that exclude each other.
 */
function readOutput(flags: RunFlags, byDefault: "text" | "json"): OutputSettings {
  const { format: given, tag = false, lines = false, color = "auto" } = flags;
  const file = flags.output === "-" ? undefined : flags.output;
  for (const [name, isGiven] of Object.entries({ tag, lines })) {
    if (isGiven && given !== undefined && given !== "text") {
      throw new UsageError(`Cannot use --${name} with --format ${given}: --${name} is for --format text`);
    }
  }
  if (lines && flags["keep-order"]) {
    throw new UsageError("Cannot use --lines with --keep-order: --lines writes lines while their tasks run");
  }
  if (flags.output === "-" && (tag || lines || given !== undefined && given !== "json")) {
    throw new UsageError("Cannot use -o - with --format text: both write to standard output; remove -o -");
  }
  const format = given ?? (tag || lines ? "text" : flags.output === "-" ? "json" : formatByDefault(byDefault, file));
  return { file, format, hasTags: tag, byLine: lines, color };
}

function formatByDefault(byDefault: "text" | "json", file: string | undefined): OutputFormat {
  return byDefault === "json" && file !== undefined ? "none" : byDefault;
}

async function readNatsOptions(flags: RunFlags): Promise<NatsOptions | undefined> {
  if (!Object.keys(flags).some((name) => name in NATS_FLAGS)) return undefined;
  for (const other of ["executor", "load", "memfree", "lines"] as const) {
    if (flags[other] !== undefined) {
      throw new UsageError(`Cannot use --${other} with --nats: --${other} is for tasks on this machine`);
    }
  }
  const [queue, ...more] = await readQueues(flags.queue);
  if (more.length > 0) throw new UsageError(`--queue must be one queue, got ${excerpt(flags.queue)}`);
  return {
    ...readNatsConnection(flags),
    queue: queue!,
    ackWaitMs: flags["ack-wait"],
    replicas: flags["nats-replicas"],
  };
}
