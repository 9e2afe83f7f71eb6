import { JsonLinesWriter } from "../../jsonl/mod.ts";
import type { ByteSink } from "../../jsonl/mod.ts";
import { lineOfTask } from "../../records/task_input.ts";
import { checkTask, type Task } from "../../records/task.ts";
import type { ResultIndex } from "../../results/result_index.ts";
import { encodeByteText } from "../../text/byte_text.ts";
import { oneLineCommand, shellCommand } from "../../text/shell_quote.ts";
import { EXIT_ERROR } from "../exit_status.ts";
import type { Io } from "../io.ts";
import type { TaskInput } from "../task_input.ts";

/** Writes the tasks that have no result to standard output, without running them. Returns the exit status. */
export async function printTasks(
  input: TaskInput,
  format: "text" | "json",
  onInvalid: "abort" | "skip",
  recorded: ResultIndex | undefined,
  io: Io,
): Promise<number> {
  const writer = format === "json" ? new JsonLinesWriter(io.stdout) : new CommandWriter(io.stdout);
  try {
    for await (const task of input.tasks({ onInvalid, report: io.stderr, recorded })) {
      await writer.write(format === "json" ? lineOfTask(checkTask(task)) : task);
    }
  } finally {
    await writer.flush();
  }
  return input.invalid > 0 ? EXIT_ERROR : 0;
}

/** Number of characters after which a writer waits for its sink. */
const MAX_BUFFERED = 64 * 1024;

/** Writes the commands of tasks, one per line, ready for a shell. Writes each at once, unless the sink is slower. */
class CommandWriter {
  readonly #sink: ByteSink;
  #buffered = "";
  #draining: Promise<void> | undefined;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  async write({ cmd }: Task): Promise<void> {
    this.#buffered += `${oneLineCommand(typeof cmd === "string" ? cmd : shellCommand(cmd))}\n`;
    this.#draining ??= this.#drain();
    this.#draining.catch(() => {}); // flush() reports the error
    if (this.#buffered.length >= MAX_BUFFERED) await this.flush();
  }

  async flush(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#buffered !== "") {
      const bytes = encodeByteText(this.#buffered);
      this.#buffered = "";
      await this.#sink.write(bytes);
    }
    this.#draining = undefined;
  }
}
