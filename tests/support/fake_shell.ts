import type { ChildProcess, ExitStatus, SpawnAdapter, SpawnOptions } from "../../spawn_adapters/types.ts";

/** Fake of a worker's shell: observes its input, and writes what the test wants. */
export class FakeShell implements ChildProcess {
  static #pids = 0;
  readonly pid = 2 ** 30 + FakeShell.#pids++; // above any real pid
  readonly stdin = {
    write: (text: string) => this.#onInput(text),
    close: () => this.#onClose(),
    abort: () => this.#onClose(),
  };
  readonly stderr = null;
  readonly stdout = { read: () => this.#read(), cancel: () => this.#end() };
  /** The token that signs reports, from the setup script of the worker. */
  token = "";
  /** Called for the script of each attempt, with the number of its report. */
  onAttempt: (number: number) => void = () => {};
  /** Called when standard input is closed. */
  onClose: () => void = () => this.exit({ code: 0, signal: null });
  readonly #exited = Promise.withResolvers<ExitStatus>();
  #output: Uint8Array[] = [];
  #hasEnded = false;
  #wake = () => {};

  get exited(): Promise<ExitStatus> {
    return this.#exited.promise;
  }

  /** Writes to the report channel, in chunks of `chunkBytes`. */
  write(text: string | Uint8Array, chunkBytes = Infinity): void {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
      this.#output.push(bytes.slice(offset, Math.min(offset + chunkBytes, bytes.length)));
    }
    this.#wake();
  }

  /** Writes a valid report. */
  report(number: number, status: number): void {
    this.write(`0m0.00s 0m0.00s\n0m0.00s 0m0.00s\n${this.token} ${number} ${status} 1\n`);
  }

  exit(status: ExitStatus): void {
    this.#exited.resolve(status);
    this.#end();
  }

  #onInput(text: string): void {
    const [, token, number] = /"(\w{24}) \$2 \$1 \$3"[^]*report \$\? (\d+) \/\n$/.exec(text) ?? [];
    if (token !== undefined) {
      this.token = token;
      this.write("unlimited\n"); // the limit of the size of files
      return this.report(Number(number), 0);
    }
    const attempt = /report \$\? (\d+) /.exec(text)?.[1];
    if (attempt !== undefined) this.onAttempt(Number(attempt));
  }

  #onClose(): void {
    this.onClose();
  }

  async #read(): Promise<Uint8Array | undefined> {
    while (this.#output.length === 0 && !this.#hasEnded) await new Promise<void>((resolve) => this.#wake = resolve);
    return this.#output.shift();
  }

  #end(): void {
    this.#hasEnded = true;
    this.#wake();
  }
}

/** Starts {@linkcode FakeShell}s. */
export class FakeShellAdapter implements SpawnAdapter {
  readonly name = "fake";
  readonly canSignal = true;
  readonly shells: FakeShell[] = [];
  readonly started: SpawnOptions[] = [];

  spawn(options: SpawnOptions): Promise<ChildProcess> {
    const shell = new FakeShell();
    this.shells.push(shell);
    this.started.push(options);
    return Promise.resolve(shell);
  }

  /** Ends a shell at SIGKILL; ignores other signals. */
  readonly sendSignal = (pid: number, signal: NodeJS.Signals | 0): Promise<boolean> => {
    const shell = this.shells.find((shell) => shell.pid === Math.abs(pid));
    if (signal === "SIGKILL") shell?.exit({ code: null, signal });
    return Promise.resolve(shell !== undefined);
  };
}
