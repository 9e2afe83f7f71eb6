import { availableParallelism } from "node:os";
import { excerpt } from "../../text/excerpt.ts";
import { pluralize } from "../../text/format.ts";
import { CONNECTION_FLAGS, readNatsConnection, readQueues, removeNatsSecrets } from "../args/nats_flags.ts";
import { countFrom, JOBS, text } from "../args/units.ts";
import { UsageError } from "../args/usage_error.ts";
import { defineCommand } from "../command.ts";
import { warnIfFirstProcess } from "../first_process.ts";
import { notify } from "../io.ts";
import { EXECUTOR } from "./run.ts";

/** `taskrunner worker`: runs the tasks of queues until a signal. */
export const worker = defineCommand({
  name: "worker",
  usage: "--nats URL --queue NAME [FLAGS]",
  summary: "Run tasks that other machines send",
  examples: [
    { command: "taskrunner worker --queue build", text: "Run the tasks of a queue of the server that NATS_URL names" },
    {
      command: "taskrunner worker --nats nats://server:4222 --queue build -j 8",
      text: "Run up to eight tasks at once",
    },
    { command: "taskrunner worker --nats-context prod --queue build,test", text: "Take tasks from two queues" },
  ],
  topics: ["nats"],
  flags: {
    "Flags": {
      "queue": { unit: text("NAME[,NAME]"), help: "queues to take tasks from" },
      "jobs": {
        short: "j",
        aliases: ["-P", "--max-procs"],
        unit: JOBS,
        help: "number of tasks to run at once",
        default: "the available CPUs",
      },
      "executor": {
        unit: EXECUTOR,
        help: "run tasks in long-lived shells, or start a process for each",
        default: "shell",
      },
      "max-redeliveries": {
        unit: countFrom(1),
        help: "number of times to start a task again after the loss of its worker",
        default: "3",
      },
      "health-file": {
        unit: text("FILE", "file"),
        help: "update the time of FILE every 5 s while the server answers, and remove FILE otherwise",
      },
    },
    "Connection": CONNECTION_FLAGS,
  },
  async run({ flags, operands }, io) {
    if (operands.length > 0) {
      const given = operands.map(excerpt).join(" and ");
      throw new UsageError(`Expected no arguments, got ${given}: a worker takes tasks from --queue NAME`);
    }
    const queues = await readQueues(flags.queue);
    const nats = readNatsConnection(flags);
    const concurrency = flags.jobs ?? availableParallelism();
    const log = (text: string) => notify(io.stderr, `taskrunner: ${text}`);
    const { Worker } = await import("../../nats/worker/worker.ts");
    const worker = new Worker({
      nats,
      queues,
      concurrency,
      executor: flags.executor,
      maxRedeliveries: flags["max-redeliveries"],
      onNotice: log,
    });
    removeNatsSecrets();
    await warnIfFirstProcess(io);
    const drain = () => {
      log("finishing running tasks, taking no more");
      worker.drain();
    };
    io.signal.addEventListener("abort", drain);
    io.killSignal.addEventListener("abort", () => {
      log("killing running tasks; other workers will run them again");
      worker.kill();
    });
    io.onRequest((request) => request === "drain" && drain());
    const ready = `running up to ${pluralize(concurrency, "task")} at once from ${queues.join(" and ")}`;
    const path = flags["health-file"];
    const health = path === undefined ? undefined : new (await import("../health_file.ts")).HealthFile({
      path,
      isHealthy: () => worker.isHealthy(),
      onNotice: log,
    });
    const onConnected = () => {
      log(ready);
      health?.check();
    };
    worker.connected.then(onConnected).catch(() => {});
    try {
      await worker.run();
    } finally {
      await health?.close();
    }
    if (io.killSignal.aborted) throw io.signal.reason; // the exit status is of the signal, as for a run
    return 0;
  },
});
