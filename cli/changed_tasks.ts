import { formatCount, pluralize } from "../text/format.ts";
import type { Io } from "./io.ts";
import type { TaskInput } from "./task_input.ts";

/** Reports the tasks that were skipped although their command differs from the command of their result. */
export async function reportChanged({ changed, changedNames }: TaskInput, io: Io): Promise<void> {
  if (changed === 0) return;
  const more = changed > changedNames.length ? ` and ${formatCount(changed - changedNames.length)} more` : "";
  const [have, were] = changed === 1 ? ["has", "was"] : ["have", "were"];
  await io.stderr(
    `taskrunner: ${
      pluralize(changed, "task")
    } already ${have} a result from a different command and ${were} skipped: ` +
      `${changedNames.join(", ")}${more}`,
  );
}
