/** The contract between the core and one runtime's way to start a process. @module */

/** What to start. */
export interface SpawnOptions {
  /** A path, or a name that is looked up in `PATH`. */
  program: string;
  args: readonly string[];
  /** Default: the runner's own working directory. */
  cwd?: string | undefined;
  /** Variables added to the runner's own environment. */
  env?: Readonly<Record<string, string>> | undefined;
  /** `null` reads as an empty file; `piped` gives {@linkcode ChildProcess.stdin}. */
  stdin: "null" | "piped";
}

/** How a process ended: at least one of the two is `null`, and a missing exit code is never read as 0. */
export interface ExitStatus {
  code: number | null;
  /** A name such as `SIGKILL`. */
  signal: string | null;
  /** CPU time of the process, in milliseconds, where the runtime can tell. */
  userMs?: number;
  systemMs?: number;
}

/** A started process. It leads a session and a process group of its own, whose id is `pid`. */
export interface ChildProcess {
  readonly pid: number;
  /** `null` unless `stdin: "piped"` was asked for. */
  readonly stdin: WritableStream<Uint8Array> | null;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** Settles when the process has ended, whether or not its output has been read. Never rejects. */
  readonly exited: Promise<ExitStatus>;
}

/** One runtime's way to start a process. */
export interface SpawnAdapter {
  readonly name: string;
  /**
   * Starts a process.
   *
   * @throws an `Error` whose `code` is the system's (`ENOENT`, `EACCES`, `E2BIG`, …) when it cannot be started.
   */
  spawn(options: SpawnOptions): Promise<ChildProcess>;
}
