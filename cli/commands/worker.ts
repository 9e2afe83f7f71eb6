import { availableParallelism } from "node:os";
import { Worker } from "../../nats/worker/worker.ts";
import { noticeFirstProcess } from "../first_process.ts";
import { type Io, notify } from "../io.ts";
import { CONNECTION_FLAGS, forgetNatsSecrets, readNatsConnection, readQueues } from "../args/nats_flags.ts";
import type { Flags } from "../args/flags.ts";
import { readExecutor } from "../args/settings.ts";
import { parseCount, parseJobs } from "../args/units.ts";
import { UsageError } from "../args/usage_error.ts";

const FLAGS_OF_WORKER: ReadonlySet<string> = new Set(["jobs", "queue", "executor", "max-reruns", ...CONNECTION_FLAGS]);

/** Runs tasks for others until a signal asks to stop. Gives the exit status. */
export async function work(
  { flags, operands }: { flags: Flags; operands: readonly string[] },
  io: Io,
): Promise<number> {
  if (operands.length > 0) {
    throw new UsageError("A worker takes its tasks from a queue: taskrunner worker --queue NAME");
  }
  const other = Object.keys(flags).find((name) => !FLAGS_OF_WORKER.has(name));
  if (other) throw new UsageError(`--${other} is for taskrunner run, and not for a worker`);
  const cpus = availableParallelism();
  const queues = readQueues(flags);
  const concurrency = flags.jobs === undefined ? cpus : parseJobs("--jobs", flags.jobs, cpus);
  const say = (text: string) => notify(io.stderr, `taskrunner: ${text}`);
  const worker = new Worker({
    nats: readNatsConnection(flags),
    queues,
    concurrency,
    executor: readExecutor(flags),
    maxRedeliveries: flags["max-reruns"] === undefined ? undefined : parseCount("--max-reruns", flags["max-reruns"], 1),
    onNotice: say,
  });
  forgetNatsSecrets();
  await noticeFirstProcess(io);
  const drain = () => {
    say("what runs is finished, and nothing more is taken");
    worker.drain();
  };
  io.signal.addEventListener("abort", drain);
  io.killSignal.addEventListener("abort", () => {
    say("what runs is ended, and is begun again elsewhere");
    worker.kill();
  });
  io.onRequest((request) => request === "drain" && drain());
  worker.connected.then(() => say(`${concurrency} at once, from ${queues.join(" and ")}`)).catch(() => {});
  await worker.run();
  if (io.killSignal.aborted) throw io.signal.reason; // as for a run: the status says which signal it was
  return 0;
}
