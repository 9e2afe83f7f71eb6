import { excerpt, printable } from "../../text/excerpt.ts";
import { formatCount, formatDuration, formatRate, pluralize } from "../../text/format.ts";
import { isFailure, type TaskResult } from "../../records/result.ts";
import { TopK } from "../../results/statistics/top_k.ts";

/** Number of tasks that the summary names as slowest. */
const MAX_NAMED_TASKS = 3;
/** Number of causes that the summary distinguishes, and of those that it names. */
const [MAX_CAUSES, MAX_NAMED_CAUSES] = [1_000, 10];
const SKIPPED = "Skipped ";
/** The end of the explanation of a task that was to run only after a failure, and is not worth a line without one. */
const NO_FAILURE = ", and the task runs only if a prerequisite is not ok";

/** Counts the results of a run, and summarizes them in one or two lines. */
export class Summary {
  readonly #startedMs = performance.now();
  readonly #counts = new Map<TaskResult["outcome"], number>();
  readonly #slowest = new TopK<Pick<TaskResult, "id" | "durationMs">>(
    MAX_NAMED_TASKS,
    ({ durationMs }) => durationMs,
  );

  /** By cause: the number of skipped tasks. */
  readonly #skips = new Map<string, number>();
  /** The number of tasks that were skipped because no prerequisite failed. */
  #expectedSkips = 0;

  /** Counts a result. */
  add({ id, outcome, durationMs, error }: TaskResult): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
    if (outcome === "skipped") return this.#addSkip(error);
    this.#slowest.add({ id, durationMs });
  }

  /** Number of tasks that have a result in this run. */
  get tasks(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Number of tasks that failed: not `ok`, `canceled` or `skipped`. */
  get failures(): number {
    let failures = 0;
    for (const [outcome, count] of this.#counts) if (isFailure(outcome)) failures += count;
    return failures;
  }

  /** Returns a line for each cause of skipped tasks except those that waited for a failure, the most frequent first, and one for the rest of many causes. */
  skipLines(): string[] {
    const causes = [...this.#skips].sort(([, one], [, other]) => other - one).slice(0, MAX_NAMED_CAUSES);
    const lines = causes.map(([cause, count]) => `${wereSkipped(count, "")} ${printable(cause)}`);
    const named = causes.reduce((sum, [, count]) => sum + count, 0);
    const others = (this.#counts.get("skipped") ?? 0) - this.#expectedSkips - named;
    return others > 0 ? [...lines, `${wereSkipped(others, "other ")}, as their results explain`] : lines;
  }

  #addSkip(error = ""): void {
    if (error.endsWith(NO_FAILURE)) this.#expectedSkips++;
    if (!error.startsWith(SKIPPED) || error.endsWith(NO_FAILURE)) return;
    const cause = error.slice(SKIPPED.length);
    const count = this.#skips.get(cause);
    if (count !== undefined || this.#skips.size < MAX_CAUSES) this.#skips.set(cause, (count ?? 0) + 1);
  }

  /**
   * Returns the lines of the summary.
   *
   * @param skipped number of tasks skipped because an earlier run had their result.
   */
  lines(skipped: number): string[] {
    const { tasks } = this;
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const counts = [...this.#counts].sort(([, one], [, other]) => other - one)
      .map(([outcome, count]) => `${formatCount(count)} ${outcome}`);
    const ran = tasks - (this.#counts.get("skipped") ?? 0);
    const lines = [
      `${formatCount(tasks)} ${tasks === 1 ? "task" : "tasks"} in ${formatDuration(seconds * 1000)}` +
      (ran === 0 ? "" : ` (${formatRate(ran / seconds)}/s)`) +
      (tasks === 0 ? "" : `: ${counts.join(", ")}`) +
      (skipped === 0 ? "" : `; ${formatCount(skipped)} had a result`),
    ];
    if (ran > MAX_NAMED_TASKS) {
      lines.push(
        `slowest: ${
          this.#slowest.values.map(({ id, durationMs }) => `${excerpt(id)} ${formatDuration(durationMs)}`).join(", ")
        }`,
      );
    }
    return lines;
  }
}

function wereSkipped(count: number, adjective: string): string {
  return `${pluralize(count, `${adjective}task`)} ${count === 1 ? "was" : "were"} skipped`;
}
