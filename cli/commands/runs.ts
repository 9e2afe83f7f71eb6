import { excerpt, printableJson } from "../../text/excerpt.ts";
import { CONNECTION_FLAGS, readNatsConnection } from "../args/nats_flags.ts";
import { UsageError } from "../args/usage_error.ts";
import { defineCommand } from "../command.ts";

/** `taskrunner runs`: lists, shows or removes runs on a NATS server. */
export const runs = defineCommand({
  name: "runs",
  usage: "ls | show QUEUE/RUN | rm QUEUE/RUN [FLAGS]",
  summary: "List, show or remove runs on a server",
  examples: [
    { command: "taskrunner runs ls", text: "List the runs on the server that NATS_URL names" },
    { command: "taskrunner runs show build/7f3c", text: "Show a run of the queue build" },
    {
      command: "taskrunner runs rm build/7f3c --nats nats://server:4222",
      text: "Remove a run with its tasks and results",
    },
  ],
  topics: ["nats"],
  operandCompletes: ["ls", "show", "rm"],
  flags: { "Connection": CONNECTION_FLAGS },
  async run({ flags, operands }, io) {
    const [action, name, ...more] = operands;
    const isList = action === "ls";
    if (!["ls", "show", "rm"].includes(action ?? "") || more.length > 0 || isList === (name !== undefined)) {
      const given = operands.length === 0 ? "nothing" : operands.map(excerpt).join(" ");
      throw new UsageError(`Expected ls, show QUEUE/RUN or rm QUEUE/RUN, got ${given}`);
    }
    const connection = readNatsConnection(flags);
    const { listRuns, removeRun } = await import("../../nats/client/runs.ts");
    const all = await listRuns(connection);
    const chosen = isList ? all : all.filter(({ queue, run }) => `${queue}/${run}` === name);
    if (!isList && chosen.length === 0) {
      throw new Error(
        `Cannot ${action === "rm" ? "remove" : "show"} the run ${excerpt(name)}: the server has no such run`,
      );
    }
    if (action === "rm") {
      await removeRun(connection, chosen[0]!);
      return 0;
    }
    await io.stdout.write(new TextEncoder().encode(chosen.map((run) => `${printableJson(run)}\n`).join("")));
    return 0;
  },
});
