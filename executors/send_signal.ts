import process from "node:process";
import type { SpawnAdapter } from "../spawn_adapters/types.ts";

/**
 * Sends a signal to a process, or to a process group when the number is negative. Signal 0 only checks existence.
 *
 * @returns whether the target exists.
 */
export type SendSignal = (pid: number, signal: NodeJS.Signals | 0) => Promise<boolean>;

/** Returns a function that sends signals: directly or, where this program may not signal, through a shell. */
export function signalSender(findAdapter: () => SpawnAdapter | Promise<SpawnAdapter>, shell: string): SendSignal {
  let adapter: SpawnAdapter | undefined;
  let signalShell: SignalShell | undefined;
  return async (pid, signal) => {
    adapter ??= await findAdapter();
    if (!adapter.canSignal) return await (signalShell ??= new SignalShell(adapter, shell)).send(pid, signal);
    try {
      return process.kill(pid, signal);
    } catch (error) {
      return (error as { code?: string }).code !== "ESRCH"; // with EPERM, as after setuid, the target exists
    }
  };
}

/** Takes pairs of a signal and a target. Prints the status of each `kill`. */
const SCRIPT = 'while [ $# -gt 0 ]; do kill "-$1" "$2" 2>/dev/null; echo "status $?"; shift 2; done';
/** Far below the size limit of a command line. */
const MAX_SIGNALS = 2_000;

interface SignalRequest {
  pid: number;
  name: string;
  outcome: PromiseWithResolvers<boolean>;
}

/** Sends signals through one shell at a time. Requests that arrive meanwhile go to the next shell. */
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
    await Promise.resolve(); // to batch the requests of this turn
    while (this.#requests.length > 0) {
      const batch = this.#requests.splice(0, MAX_SIGNALS);
      try {
        const statuses = await this.#kill(batch.flatMap(({ name, pid }) => [name, `${pid}`]));
        if (statuses.length !== batch.length) throw new Error("The shell that sends signals ended early");
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

  /** Returns the exit status of each `kill`. */
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
