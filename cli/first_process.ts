import process from "node:process";
import type { Io } from "./io.ts";

/**
 * Says, as the first process of a container, that nobody reaps what tasks leave in the background: such a process becomes
 * a child of this one when its parent ends, and no runtime waits for children that it has not started.
 */
export async function noticeFirstProcess(io: Io): Promise<void> {
  if (process.pid !== 1) return;
  const remedy = "give the container an init process, as docker run --init does";
  await io.stderr(`taskrunner: running as PID 1, so what tasks leave in the background ends as zombies: ${remedy}`);
}
