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
  let adapter: SpawnAdapter | undefined;
  let signalShell: SignalShell | undefined;
  return async (pid, signal) => {
    adapter ??= await findAdapter();
    if (!adapter.canSignal) return await (signalShell ??= new SignalShell(adapter, shell)).send(pid, signal);
    try {
      return process.kill(pid, signal);
    } catch (error) {
      return (error as { code?: string }).code !== "ESRCH"; // what may not be signalled, as after setuid, is there
    }
  };
}

/** Sends each pair of a signal and a target, and prints a line with the status of each. */
const SCRIPT = 'while [ $# -gt 0 ]; do kill "-$1" "$2" 2>/dev/null; echo "status $?"; shift 2; done';
/** Far below what a command line can hold. */
const MAX_SIGNALS = 2_000;

interface SignalRequest {
  pid: number;
  name: string;
  outcome: PromiseWithResolvers<boolean>;
}

/** Sends signals through shells, one at a time: what is asked for meanwhile goes into the next one. */
class SignalShell {
  readonly #adapter: SpawnAdapter;
  readonly #shell: string;
  readonly #requests: SignalRequest[] = [];
  #isBusy = false;

  constructor(adapter: SpawnAdapter, shell: string) {
    this.#adapter = adapter;
    this.#shell = shell;
  }

  send(pid: number, signal: NodeJS.Signals | 0): Promise<boolean> {
    const name = signal === 0 ? "0" : signal.slice("SIG".length);
    const outcome = Promise.withResolvers<boolean>();
    this.#requests.push({ pid, name, outcome });
    if (!this.#isBusy) this.#sendAll().catch((error) => this.#reject(this.#requests.splice(0), error));
    return outcome.promise;
  }

  async #sendAll(): Promise<void> {
    this.#isBusy = true;
    await Promise.resolve(); // for all that is sent at the same time
    while (this.#requests.length > 0) {
      const batch = this.#requests.splice(0, MAX_SIGNALS);
      try {
        const statuses = await this.#kill(batch.flatMap(({ name, pid }) => [name, `${pid}`]));
        if (statuses.length !== batch.length) throw new Error("The shell that sends signals has ended before its time");
        batch.forEach(({ outcome }, index) => outcome.resolve(statuses[index] === "0"));
      } catch (error) {
        this.#reject(batch, error);
      }
    }
    this.#isBusy = false;
  }

  #reject(requests: readonly SignalRequest[], error: unknown): void {
    for (const { outcome } of requests) outcome.reject(error);
  }

  /** Returns the status of each kill(1). */
  async #kill(args: readonly string[]): Promise<string[]> {
    const child = await this.#adapter.spawn({
      program: this.#shell,
      args: ["-c", SCRIPT, this.#shell, ...args],
      stdin: "null",
      stderr: "null",
    });
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const bytes = await child.stdout.read();
      if (!bytes) break;
      text += decoder.decode(bytes, { stream: true });
    }
    return Array.from(text.matchAll(/^status (\d+)$/gm), ([, status]) => status!);
  }
}
