import type { Source } from "../../jsonl/source.ts";
import { chunksOf, type RandomAccess, RandomAccessFile } from "../../system/random_access_file.ts";
import { pluralize } from "../../text/format.ts";
import type { RecordedOutcomes } from "../../pool/workflow/source_facts.ts";
import type { ByteSource } from "../byte_source.ts";
import type { CountOptions } from "../task_input.ts";
import { changedFile, FileTasks } from "./file_tasks.ts";
import type { LineSet } from "./line_set.ts";
import { type Capacity, WorkflowCheck, type WorkflowVerdict } from "./workflow_check.ts";

/** The parts of a task file that only a workflow needs: its check, and the file, which stays open until the end of the run. */
export class FileWorkflow {
  /** The check, until its end. */
  check: WorkflowCheck | undefined;
  /** Keeps waiting tasks; undefined if the input can be read only once. */
  held: FileTasks | undefined;
  readonly #source: ByteSource;
  readonly #file: RandomAccessFile | undefined;
  /** The version of the file that was checked. */
  readonly #version: string | undefined;
  #verdict: WorkflowVerdict | undefined;

  /** @throws the error of the system. */
  constructor(source: ByteSource, capacity: Capacity, recorded: RecordedOutcomes | undefined) {
    this.check = new WorkflowCheck({ name: source.name, capacity, recorded });
    this.#source = source;
    if (source.path !== undefined) this.#hold(this.#file = new RandomAccessFile(source.path));
    this.#version = this.#file?.version;
  }

  /** Number of tasks that can never start. */
  get refusedCount(): number {
    return this.refused?.size ?? 0;
  }

  /** The lines of tasks that can never start; undefined if there are none. */
  get refused(): LineSet | undefined {
    return this.#verdict && this.#verdict.problems > 0 ? this.#verdict.refused : undefined;
  }

  /** Messages about the tasks that can never start. */
  get messages(): readonly string[] {
    return this.#verdict?.messages ?? [];
  }

  /** Number of skipped tasks whose results stay. */
  get kept(): number {
    return this.#verdict!.kept;
  }

  /** @throws an error if the file has changed since it was opened for the check. */
  checkVersion(): void {
    if (this.#file?.version === this.#version) return;
    throw changedFile(this.#source.name, "the file has changed since the run checked the file");
  }

  /** Opens the input. The check and the run read the same file, even if another one has replaced it. */
  open(): Source<Uint8Array> {
    return this.#file ? chunksOf(this.#file) : this.#source.open();
  }

  /**
   * Ends the check, after the last line.
   *
   * @throws an error about the first task that can never start, unless such tasks are skipped.
   */
  finishCheck(onInvalid: CountOptions["onInvalid"]): void {
    this.#verdict = this.check!.finish();
    this.check = undefined; // its memory is for the run
    const { messages: [message], problems } = this.#verdict;
    if (problems > 0 && onInvalid === "abort") {
      const others = problems > 1 ? `; --dry-run lists ${pluralize(problems - 1, "other problem")}` : "";
      throw new Error(`${message}${others}`);
    }
    if (!this.#file && this.#source.keepCopy) this.#hold(this.#source.keepCopy());
  }

  #hold(bytes: RandomAccess): void {
    this.held = new FileTasks(this.#source.name, bytes);
  }
}
