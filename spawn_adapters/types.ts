/** The interface between the executors and the API with which a runtime starts processes. @module */

/** Options to start a process. */
export interface SpawnOptions {
  /** Path of the program, or a name to look up in `PATH`. */
  program: string;
  /** Arguments, passed to the program unchanged. */
  args: readonly string[];
  /**
   * Working directory.
   *
   * @default the working directory of this program
   */
  cwd?: string | undefined;
  /**
   * Variables to add to the environment of this program.
   *
   * @default none
   */
  env?: Readonly<Record<string, string>> | undefined;
  /** Standard input: `null` for an empty file, `piped` to write to {@linkcode ChildProcess.stdin}. */
  stdin: "null" | "piped";
  /** Standard error: `null` to discard it, `piped` to read it from {@linkcode ChildProcess.stderr}. */
  stderr: "null" | "piped";
  /**
   * True for a shell without arguments that reads commands from {@linkcode ChildProcess.stdin}. The shell gets its name as
   * given, and leads its session and group before it reads a command, but perhaps not yet when the call returns. A failure
   * to start may be an exit status. Deno starts such a shell several times as fast, and kills it when an uncaught error
   * ends this program.
   *
   * @default {false}
   */
  isWorker?: boolean;
}

/** Writes to the standard input of a process. Never fails, even if the process has ended or does not read. */
export interface InputWriter {
  /** Writes bytes, or text as UTF-8. Buffers in memory whatever does not fit into the pipe. */
  write(data: string | Uint8Array): void;
  /** Closes the pipe after all buffered data is written. */
  close(): void;
  /** Closes the pipe immediately and discards buffered text. */
  abort(): void;
}

/** Reads an output of a process. Treats a broken pipe as the end. */
export interface OutputReader {
  /**
   * Returns the next bytes, which are valid until the next call, or `undefined` at the end. Must not be called again
   * before it settles. Does not read ahead, so a process that writes too fast blocks.
   */
  read(): Promise<Uint8Array | undefined>;
  /** Closes the pipe. A pending read and all later reads return `undefined`. */
  cancel(): void;
}

/** The exit status of a process. At least one of `code` and `signal` is `null`; both are when neither is known. */
export interface ExitStatus {
  /** Exit code; `null` when a signal terminated the process. */
  code: number | null;
  /** Signal that terminated the process, such as `SIGKILL`, or `SIG35` for one without a name; otherwise `null`. */
  signal: string | null;
  /** CPU time in user mode, in milliseconds, if the runtime provides it. */
  userMs?: number;
  /** CPU time in kernel mode, in milliseconds, if the runtime provides it. */
  systemMs?: number;
}

/** A started process, the leader of a new session and process group. */
export interface ChildProcess {
  /** Id of the process, its session and its process group. */
  readonly pid: number;
  /** Writer to standard input; `null` unless started with `stdin: "piped"`. */
  readonly stdin: InputWriter | null;
  /** Reader of standard output. */
  readonly stdout: OutputReader;
  /** Reader of standard error; `null` unless started with `stderr: "piped"`. */
  readonly stderr: OutputReader | null;
  /** Resolves when the process has ended, even if its output was not read. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** Lets this program exit while the process is running. */
  unref?(): void;
}

/** Starts processes with the API of one runtime. */
export interface SpawnAdapter {
  /** Name of the runtime, such as `deno`. */
  readonly name: string;
  /** True when the program may call `process.kill`; otherwise a shell sends signals. */
  readonly canSignal: boolean;
  /**
   * Starts a process.
   *
   * @throws an `Error` with the system's `code` (`ENOENT`, `EACCES`, `E2BIG`, …) when the process cannot be started.
   */
  spawn(options: SpawnOptions): Promise<ChildProcess>;
}
