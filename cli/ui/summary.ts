import { excerpt } from "../../text/excerpt.ts";
import { formatCount, formatDuration, formatRate } from "../../text/format.ts";
import { isFailure, type TaskResult } from "../../records/result.ts";
import { TopK } from "../../results/statistics/top_k.ts";

/** Number of tasks that the summary names as slowest. */
const MAX_NAMED_TASKS = 3;

/** Counts the results of a run, and summarizes them in one or two lines. */
export class Summary {
  readonly #startedMs = performance.now();
  readonly #counts = new Map<TaskResult["outcome"], number>();
  readonly #slowest = new TopK<Pick<TaskResult, "id" | "durationMs">>(
    MAX_NAMED_TASKS,
    ({ durationMs }) => durationMs,
  );

  /** Counts a result. */
  add({ id, outcome, durationMs }: TaskResult): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
    if (outcome !== "skipped") this.#slowest.add({ id, durationMs });
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
