import process from "node:process";
import type { Io } from "./io.ts";

/**
 * Warns when this process is the first process of a container. Background processes of tasks become its children, and no
 * runtime reaps children that it has not started.
 */
export async function warnIfFirstProcess(io: Io): Promise<void> {
  if (process.pid !== 1) return;
  const remedy = "give the container an init process, as docker run --init does";
  await io.stderr(`taskrunner: running as PID 1, so background processes of tasks become zombies; ${remedy}`);
}
