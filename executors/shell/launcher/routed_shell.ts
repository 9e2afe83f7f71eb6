/** A shell that the router has started. @module */

import type { ExitStatus } from "../../../spawn_adapters/types.ts";
import type { ExpectedReport, ShellConnection, ShellListener } from "../shell_connection.ts";
import { closeCommand, scriptCommands, type ShellReport } from "./messages.ts";

/** The connection to a shell that is a child of the router. */
export class RoutedShell implements ShellConnection {
  readonly pid: number;
  readonly isRouted = true;
  readonly exited: Promise<ExitStatus>;
  /** The index of the shell in the launcher. */
  readonly #index: number;
  readonly #send: (message: Uint8Array) => void;
  #resolveExited!: (exit: ExitStatus) => void;
  #listener!: ShellListener;
  /** The number of the last script whose report was read. */
  #settled = 0;
  /** True when the index may be that of another process. */
  #hasEnded = false;

  constructor(pid: number, index: number, send: (message: Uint8Array) => void) {
    this.pid = pid;
    this.#index = index;
    this.#send = send;
    this.exited = new Promise((resolve) => this.#resolveExited = resolve);
  }

  listen(listener: ShellListener): void {
    this.#listener = listener;
  }

  write(data: string | Uint8Array, report?: ExpectedReport): void {
    if (this.#hasEnded) return;
    const { stdout, stderr } = report?.outputs ?? { stdout: "", stderr: "" };
    const command = { number: report?.number ?? 0, settled: this.#settled, stdout, stderr };
    for (const message of scriptCommands(this.#index, command, data)) this.#send(message);
  }

  settle(number: number, isIdle: boolean): void {
    this.#settled = number;
    if (isIdle) this.write(""); // removes the output file, which would look as if its task were running
  }

  closeInput(): void {
    if (!this.#hasEnded) this.#send(closeCommand(this.#index));
  }

  cancel(): void {
    // The router reads what the shell itself has printed, and nothing else.
  }

  /** Handles a report of the router. */
  handle(report: ShellReport): void {
    this.#listener.onBytes(report.bytes, report.kind === "reported" ? report.end : undefined);
  }

  /** Handles the end of the shell. */
  handleEnd(exit: ExitStatus): void {
    this.#hasEnded = true;
    this.#resolveExited(exit);
    this.#listener.onEnd(exit);
  }
}
