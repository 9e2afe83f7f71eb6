import { availableParallelism } from "node:os";
import { EXECUTORS } from "../../executors/mod.ts";
import { RETRY_OUTCOMES, type RetryOutcome } from "../../pool/retry.ts";
import { excerpt } from "../../text/excerpt.ts";
import type { RunOptions } from "../../runner.ts";
import type { Flags } from "./flags.ts";
import { parseHalt } from "./halt.ts";
import { parseCount, parseDuration, parseJobs, parseLoad, parsePort, parseSize } from "./units.ts";
import type { NatsOptions } from "../../nats/client/options.ts";
import { CONNECTION_FLAGS, readNatsConnection, readQueues } from "./nats_flags.ts";
import { UsageError } from "./usage_error.ts";

/** What the flags ask for. */
export interface Settings {
  runOptions: RunOptions;
  /** Set when the tasks run on other machines. */
  nats: NatsOptions | undefined;
  onInvalid: "abort" | "skip";
  /** The file of results; without one they go to standard output. */
  output: string | undefined;
  /** Which of the tasks that have a result there run again; `undefined` when it must have none. */
  resume: "canceled" | "failed" | undefined;
  /** Whether progress is shown: always, never, or where it is of use. */
  progress: boolean | undefined;
  /** The port of the page that shows the run. */
  watchPort: number | undefined;
  isQuiet: boolean;
  isDryRun: boolean;
  /** Whether the tasks are written instead of run. */
  isPrint: boolean;
}

/**
 * Makes settings of flags.
 *
 * @throws {UsageError} for a value that is not right.
 */
export function readSettings(flags: Flags): Settings {
  const output = flags.output === "-" ? undefined : flags.output;
  const resume = flags["resume-failed"] ? "failed" : flags.resume ? "canceled" : undefined;
  if (resume && output === undefined) throw new UsageError("To resume, name the file of results: -o FILE");
  if (flags.watch !== undefined && flags["dry-run"]) {
    throw new UsageError("--dry-run runs nothing, so --watch means nothing");
  }
  for (const other of ["output", "resume", "resume-failed", "dry-run", "watch"] as const) {
    if (flags.print && flags[other]) throw new UsageError(`--print only writes the tasks, so --${other} means nothing`);
  }
  return {
    runOptions: runOptions(flags),
    nats: natsOptions(flags, {
      replicas: given(flags, "nats-replicas", (flag, text) => parseCount(flag, text, 1, 5)),
      ackWaitMs: given(flags, "ack-wait", (flag, text) => parseDuration(flag, text, 100)),
    }),
    onInvalid: oneOf("--on-invalid", flags["on-invalid"] ?? "abort", ["abort", "skip"]),
    output,
    resume,
    progress: flags["no-progress"] ? false : flags.progress,
    watchPort: flags.watch === undefined ? undefined : parsePort("--watch", flags.watch),
    isQuiet: flags.quiet ?? false,
    isDryRun: flags["dry-run"] ?? false,
    isPrint: flags.print ?? false,
  };
}

/** The parsed value of a flag, if it was given. */
function given<T>(
  flags: Flags,
  name: keyof Flags & string,
  parse: (flag: string, text: string) => T,
): T | undefined {
  const text = flags[name];
  return typeof text === "string" ? parse(`--${name}`, text) : undefined;
}

function runOptions(flags: Flags): RunOptions {
  return {
    concurrency: given(flags, "jobs", (flag, text) => parseJobs(flag, text, availableParallelism())),
    keepOrder: flags["keep-order"],
    timeoutMs: given(flags, "timeout", parseDuration) || undefined, // 0 is none, as for timeout(1)
    killAfterMs: given(flags, "kill-after", parseDuration),
    retry: {
      limit: given(flags, "retries", parseCount),
      delayMs: given(flags, "retry-delay", parseDuration),
      on: given(flags, "retry-on", parseOutcomes),
    },
    startDelayMs: given(flags, "delay", parseDuration),
    maxLoad: given(flags, "load", (flag, text) => parseLoad(flag, text, availableParallelism())),
    minFreeMemoryBytes: given(flags, "memfree", parseSize),
    halt: given(flags, "halt", parseHalt),
    executor: readExecutor(flags),
    shell: flags.shell,
    maxInlineBytes: given(flags, "max-inline", (flag, text) => parseSize(flag, text, "32M")),
    spillDir: flags["spill-dir"],
    maxOutputBytes: given(flags, "max-output", (flag, text) => text === "none" ? Infinity : parseSize(flag, text)),
  };
}

/** Those that mean that the tasks run on other machines. */
const NATS_FLAGS: ReadonlySet<string> = new Set([...CONNECTION_FLAGS, "queue", "ack-wait", "nats-replicas"]);

/** What carries out the tasks on this machine. */
export function readExecutor(flags: Flags): typeof EXECUTORS[number] {
  return oneOf("--executor", flags.executor ?? EXECUTORS[0], EXECUTORS);
}

function natsOptions(
  flags: Flags,
  others: Pick<NatsOptions, "ackWaitMs" | "replicas">,
): NatsOptions | undefined {
  if (!Object.keys(flags).some((name) => NATS_FLAGS.has(name))) return undefined;
  for (const other of ["executor", "load", "memfree"] as const) {
    if (flags[other] !== undefined) {
      throw new UsageError(`--${other} is about this machine, and with --nats the tasks run on others`);
    }
  }
  const [queue, ...more] = readQueues(flags);
  if (more.length > 0) throw new UsageError("A run has one queue: --queue NAME");
  return { ...readNatsConnection(flags), queue: queue!, ...others };
}

function parseOutcomes(flag: string, text: string): RetryOutcome[] {
  return text.split(",").map((outcome) => oneOf(flag, outcome, RETRY_OUTCOMES));
}

function oneOf<const Choice extends string>(flag: string, value: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((choice) => choice === value);
  if (choice !== undefined) return choice;
  const names = `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
  throw new UsageError(`${flag} must be ${names}, got ${excerpt(value)}`);
}
