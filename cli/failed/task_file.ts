import { jsonLineReader } from "../../jsonl/jsonl_reader.ts";
import { InvalidLineError } from "../../jsonl/mod.ts";
import { taskOfLine, withAllDigits } from "../../records/read_tasks.ts";
import type { CheckedTask } from "../../records/task.ts";
import { readChunks } from "../../system/read_chunks.ts";
import { systemReason } from "../../system/system_error.ts";
import { excerpt, printable } from "../../text/excerpt.ts";

/**
 * Reads tasks from a task file, by their ids.
 *
 * @param isWanted returns whether to keep the task with an id.
 */
export async function readTasksById(
  path: string,
  isWanted: (id: string) => boolean,
): Promise<ReadonlyMap<string, CheckedTask>> {
  const tasks = new Map<string, CheckedTask>();
  try {
    await jsonLineReader<void>(readChunks(path), {
      refine: withAllDigits,
      parse: (value, lineNumber) => {
        const task = taskOfLine(value, lineNumber);
        const id = String(task.id);
        if (isWanted(id)) tasks.set(id, task);
      },
    }).count();
  } catch (error) {
    if (error instanceof InvalidLineError) {
      throw new Error(`${printable(path)}:${error.lineNumber}: ${error.problem}`, { cause: error });
    }
    throw new Error(`Cannot read tasks from ${excerpt(path)}: ${systemReason(error)}`, { cause: error });
  }
  return tasks;
}
