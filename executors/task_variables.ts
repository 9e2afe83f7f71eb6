import type { Task } from "../records/task.ts";
import type { Attempt } from "../pool/executor.ts";

/** The names of the variables that {@linkcode taskVariables} returns. */
export const TASK_VARIABLES = ["TASKRUNNER_ID", "TASKRUNNER_SLOT", "TASKRUNNER_ATTEMPT"] as const;

/** Far below the 128 KiB that Linux allows for a variable: with a longer one, no program starts. */
const MAX_ID_LENGTH = 32 * 1024;

/** Returns the variables that the attempt and the task add to the environment, without {@linkcode taskVariables}. */
export function environmentOf({ env, task }: Pick<Attempt, "env" | "task">): Attempt["env"] {
  return env ? { ...env, ...defined(task.env) } : defined(task.env);
}

function defined(env: Task["env"]): Attempt["env"] {
  return env && Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => {
      return entry[1] !== undefined;
    }),
  );
}

/** Returns the environment variables that identify the attempt to its task. */
export function taskVariables({ id, slot, number }: Attempt): Record<typeof TASK_VARIABLES[number], string> {
  return {
    TASKRUNNER_ID: id.slice(0, MAX_ID_LENGTH).replaceAll("\0", "").toWellFormed(),
    TASKRUNNER_SLOT: `${slot}`,
    TASKRUNNER_ATTEMPT: `${number}`,
  };
}
