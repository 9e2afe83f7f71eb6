import type { Task } from "../../records/task.ts";

/** Fields that all tasks of `each` have. */
export type TaskFields = Pick<Task, "uses" | "slots" | "priority">;
