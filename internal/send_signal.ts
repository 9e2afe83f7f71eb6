import process from "node:process";
import type { SpawnAdapter } from "../spawn_adapters/types.ts";

/**
 * Sends a signal to a process, or to a group when the number is negative; 0 only looks.
 *
 * @returns whether there was anything to signal.
 */
export type SendSignal = (pid: number, signal: NodeJS.Signals | 0) => Promise<boolean>;

/** Makes the function that sends signals: by itself or, where that is not permitted, through a shell. */
export function signalSender(findAdapter: () => SpawnAdapter | Promise<SpawnAdapter>, shell: string): SendSignal {
  return async (pid, signal) => {
    const found = findAdapter();
    const adapter = found instanceof Promise ? await found : found;
    if (adapter.canSignal) {
      try {
        return process.kill(pid, signal);
      } catch (error) {
        return (error as { code?: string }).code !== "ESRCH"; // what may not be signalled, as after setuid, is there
      }
    }
    const name = signal === 0 ? "0" : signal.slice("SIG".length);
    const args = ["-c", `kill -${name} ${pid}`];
    const child = await adapter.spawn({ program: shell, args, stdin: "null", stderr: "null" });
    child.stdout.cancel();
    return (await child.exited).code === 0;
  };
}
