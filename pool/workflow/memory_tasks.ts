import type { CheckedTask } from "../../records/task.ts";
import type { HeldTasks } from "./source_facts.ts";

/** About the memory of an object of a task without the text and bytes in it. */
const OBJECT_BYTES = 200;

/** Keeps tasks in memory. */
export class MemoryTasks implements HeldTasks {
  heldBytes = 0;
  readonly #tasks = new Map<number, { task: CheckedTask; bytes: number }>();

  hold(node: number, task: CheckedTask): void {
    const bytes = OBJECT_BYTES + sizeOf(task);
    this.#tasks.set(node, { task, bytes });
    this.heldBytes += bytes;
  }

  take(node: number): CheckedTask {
    const { task, bytes } = this.#tasks.get(node)!;
    this.#tasks.delete(node);
    this.heldBytes -= bytes;
    return task;
  }
}

/** Returns about the number of bytes of the text and bytes in a value. */
function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== "object" || value === null) return 8;
  let bytes = 0;
  for (const key in value) bytes += key.length + sizeOf((value as Record<string, unknown>)[key]);
  return bytes;
}
