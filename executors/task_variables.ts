import type { Attempt } from "./types.ts";

/** The names of what {@linkcode taskVariables} gives. */
export const TASK_VARIABLES = ["TASKRUNNER_ID", "TASKRUNNER_SLOT", "TASKRUNNER_ATTEMPT"] as const;

/** Much longer, and no program could be started: the system takes 128 KiB for a variable. */
const MAX_ID_LENGTH = 32 * 1024;

/** The environment variables by which a task knows what it is. */
export function taskVariables({ id, slot, number }: Attempt): Record<typeof TASK_VARIABLES[number], string> {
  return {
    TASKRUNNER_ID: id.slice(0, MAX_ID_LENGTH).replaceAll("\0", ""),
    TASKRUNNER_SLOT: `${slot}`,
    TASKRUNNER_ATTEMPT: `${number}`,
  };
}
