import type { Run } from "../pool/run.ts";
import type { RecordedOutcomes } from "../pool/workflow/source_facts.ts";
import type { Outcome } from "../records/result.ts";
import type { CheckedTask } from "../records/task.ts";
import { lineOfTask } from "../records/task_input.ts";

/** The approximate length of a chunk. Few long strings take less memory than many tasks. */
const CHUNK_CHARACTERS = 1024 * 1024;

/** A run to which tasks can be added. */
export interface GrowingRun<Meta = unknown> extends Run<Meta> {
  /** True when an added task would not start any more. */
  readonly isEnding: boolean;
}

/** The tasks of one run, as JSON Lines: a queue from a `TaskRunner` to its run. */
export class TaskLines {
  /** Called after a task has been added. */
  onAdd: () => void = () => {};
  #chunks: string[] = [];
  #lastChunk = "";
  #count = 0;
  readonly #recorded: RecordedOutcomes | undefined;
  /** The recorded outcomes of the ids in the lines, as far as they have not been taken. */
  #outcomes = new Map<string, Outcome>();

  /** @param recorded The outcomes of earlier runs. */
  constructor(recorded?: RecordedOutcomes) {
    this.#recorded = recorded;
  }

  /** The number of tasks ever added. */
  get count(): number {
    return this.#count;
  }

  add(task: CheckedTask): void {
    if (this.#recorded && task.after !== undefined) this.#noteOutcomes(task, this.#recorded);
    const line = JSON.stringify(lineOfTask(task));
    this.#lastChunk += `${line}\n`;
    this.#count++;
    if (this.#lastChunk.length >= CHUNK_CHARACTERS) this.#completeChunk();
    this.onAdd();
  }

  /** Removes and returns all lines, in chunks of whole lines. */
  take(): string[] {
    if (this.#lastChunk !== "") this.#completeChunk();
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }

  /** Removes and returns the recorded outcomes of the ids in the lines so far: of prerequisites, and of tasks that have some. */
  takeOutcomes(): Iterable<[string, Outcome]> {
    const outcomes = this.#outcomes;
    this.#outcomes = new Map();
    return outcomes;
  }

  #noteOutcomes({ id, after }: CheckedTask, recorded: RecordedOutcomes): void {
    for (const named of [id, ...(Array.isArray(after) ? after : [after])]) {
      const outcome = recorded.outcomeOf(String(named));
      if (outcome !== undefined) this.#outcomes.set(String(named), outcome);
    }
  }

  #completeChunk(): void {
    this.#chunks.push(this.#lastChunk);
    this.#lastChunk = "";
  }
}
