import { JsonLinesWriter } from "../../jsonl/mod.ts";
import { lineOfTask } from "../../records/task_input.ts";
import { checkTask, type Task } from "../../records/task.ts";
import type { ResultIndex } from "../../results/result_index.ts";
import { encodeByteText } from "../../text/byte_text.ts";
import { commandText, oneLineCommand } from "../../text/shell_quote.ts";
import { EXIT_ERROR } from "../exit_status.ts";
import type { Io } from "../io.ts";
import { OrderedOutput } from "../output/ordered_output.ts";
import type { TaskInput } from "../task_input.ts";

/** Writes the tasks that have no result to standard output, without running them. Returns the exit status. */
export async function printTasks(
  input: TaskInput,
  format: "text" | "json",
  onInvalid: "abort" | "skip",
  recorded: ResultIndex | undefined,
  io: Io,
): Promise<number> {
  const writer = format === "json" ? taskWriter(io) : commandWriter(io);
  try {
    for await (const task of input.tasks({ onInvalid, report: io.stderr, recorded })) {
      const wait = writer.write(task);
      if (wait) await wait;
    }
  } finally {
    await writer.flush();
  }
  return input.invalid > 0 ? EXIT_ERROR : 0;
}

interface TaskWriter {
  /** Takes a task. Returns a promise when the next task has to wait. */
  write(task: Task): Promise<void> | undefined;
  /** Waits until all tasks are written. */
  flush(): Promise<void>;
}

/** Returns a writer of tasks as JSON Lines. */
function taskWriter({ stdout }: Io): TaskWriter {
  const lines = new JsonLinesWriter(stdout);
  return { write: (task) => lines.write(lineOfTask(checkTask(task))), flush: () => lines.flush() };
}

/** Returns a writer of the commands of tasks, one per line, ready for a shell. */
function commandWriter({ stdout, stderrBytes: stderr }: Io): TaskWriter {
  const output = new OrderedOutput({ stdout, stderr });
  return {
    write({ cmd }) {
      const line = oneLineCommand(commandText(cmd));
      return output.write("stdout", encodeByteText(`${line}\n`));
    },
    flush: () => output.flush(),
  };
}
