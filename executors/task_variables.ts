import type { Task } from "../records/task.ts";
import type { Attempt } from "../pool/executor.ts";

/** The names of what {@linkcode taskVariables} gives. */
export const TASK_VARIABLES = ["TASKRUNNER_ID", "TASKRUNNER_SLOT", "TASKRUNNER_ATTEMPT"] as const;

/** Much longer, and no program could be started: the system takes 128 KiB for a variable. */
const MAX_ID_LENGTH = 32 * 1024;

/** What the environment of a task has besides that of the runner and {@linkcode taskVariables}. */
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

/** The environment variables by which a task knows what it is. */
export function taskVariables({ id, slot, number }: Attempt): Record<typeof TASK_VARIABLES[number], string> {
  return {
    TASKRUNNER_ID: id.slice(0, MAX_ID_LENGTH).replaceAll("\0", ""),
    TASKRUNNER_SLOT: `${slot}`,
    TASKRUNNER_ATTEMPT: `${number}`,
  };
}
