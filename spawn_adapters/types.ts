/** The contract between the core and one runtime's way to start a process. @module */

/** What to start. */
export interface SpawnOptions {
  /** A path, or a name that is looked up in `PATH`. */
  program: string;
  /** Reach the program as they are. */
  args: readonly string[];
  /** Default: the runner's own working directory. */
  cwd?: string | undefined;
  /** Variables added to the runner's own environment. */
  env?: Readonly<Record<string, string>> | undefined;
  /** `null` reads as an empty file; `piped` gives {@linkcode ChildProcess.stdin}. */
  stdin: "null" | "piped";
  /** `null` throws away what is written; `piped` gives {@linkcode ChildProcess.stderr}. */
  stderr: "null" | "piped";
}

/** Writes to a process. A process that has gone or does not read is none of the writer's business: nothing here fails. */
export interface InputWriter {
  /** Hands over bytes, or text as UTF-8. Data that the pipe cannot take at once waits in memory. */
  write(data: string | Uint8Array): void;
  /** Closes the pipe when everything has been written. */
  close(): void;
  /** Closes the pipe now, whatever still waits. */
  abort(): void;
}

/** Reads what a process writes. A pipe that breaks ends. */
export interface OutputReader {
  /**
   * The next bytes, valid until the next call; `undefined` at the end. Must not be called again before it settles. Not
   * read ahead, so that a process that writes faster than it is read is held back.
   */
  read(): Promise<Uint8Array | undefined>;
  /** Closes the pipe: a read under way and each one after it gives `undefined`. */
  cancel(): void;
}

/** How a process ended: at least one of the two is `null`, and a missing exit code is never read as 0. */
export interface ExitStatus {
  /** Exit code; `null` when a signal ended it. */
  code: number | null;
  /** A name such as `SIGKILL`, or `SIG35` when it has none; `null` when no signal ended it. */
  signal: string | null;
  /** CPU time in user mode, in milliseconds, where the runtime can tell. */
  userMs?: number;
  /** CPU time in the kernel, in milliseconds, where the runtime can tell. */
  systemMs?: number;
}

/** A started process. It leads a session and a process group of its own, whose id is `pid`. */
export interface ChildProcess {
  /** The id of the process, and of its session and group. */
  readonly pid: number;
  /** `null` unless `stdin: "piped"` was asked for. */
  readonly stdin: InputWriter | null;
  /** What it writes to standard output. */
  readonly stdout: OutputReader;
  /** `null` unless `stderr: "piped"` was asked for. */
  readonly stderr: OutputReader | null;
  /** Settles when the process has ended, whether or not its output has been read. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** Allows this program to end while the process is running. */
  unref?(): void;
}

/** One runtime's way to start a process. */
export interface SpawnAdapter {
  /** The runtime whose API it uses, such as `deno`. */
  readonly name: string;
  /** Whether `process.kill` may be used. Where it may not, a shell sends the signals. */
  readonly canSignal: boolean;
  /**
   * Starts a process.
   *
   * @throws an `Error` whose `code` is the system's (`ENOENT`, `EACCES`, `E2BIG`, …) when it cannot be started.
   */
  spawn(options: SpawnOptions): Promise<ChildProcess>;
}
