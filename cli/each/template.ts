import type { Placeholder, TaskValues } from "./placeholder.ts";

/** A command with placeholders. */
export interface Template {
  /** The placeholders in the command. */
  readonly placeholders: readonly Placeholder[];
  /** Returns the command of a task: for a shell, or a program and its arguments. */
  commandFor(task: TaskValues): string | string[];
}

/** The number of the slot in a shell command. The command itself, and so its hash, is the same in every slot. */
export const SLOT_EXPANSION = '"$TASKRUNNER_SLOT"';
