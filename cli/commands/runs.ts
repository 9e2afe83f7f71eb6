import { excerpt, printableJson } from "../../text/excerpt.ts";
import { listRuns, removeRun } from "../../nats/client/runs.ts";
import type { Io } from "../io.ts";
import { readNatsConnection } from "../args/nats_flags.ts";
import type { Flags } from "../args/flags.ts";
import { UsageError } from "../args/usage_error.ts";

/** `runs ls`, `runs show QUEUE/RUN`, `runs rm QUEUE/RUN`: what a server has of runs. */
export async function manageRuns(
  { flags, operands }: { flags: Flags; operands: readonly string[] },
  io: Io,
): Promise<number> {
  const [action, name, ...more] = operands;
  const isList = action === "ls";
  if (!["ls", "show", "rm"].includes(action ?? "") || more.length > 0 || isList === (name !== undefined)) {
    throw new UsageError("Say what to do: taskrunner runs ls, or taskrunner runs show|rm QUEUE/RUN");
  }
  const connection = readNatsConnection(flags);
  const runs = await listRuns(connection);
  const chosen = isList ? runs : runs.filter(({ queue, run }) => `${queue}/${run}` === name);
  if (!isList && chosen.length === 0) throw new Error(`There is no run ${excerpt(name)}`);
  if (action === "rm") {
    await removeRun(connection, chosen[0]!);
    return 0;
  }
  await io.stdout.write(new TextEncoder().encode(chosen.map((run) => `${printableJson(run)}\n`).join("")));
  return 0;
}
