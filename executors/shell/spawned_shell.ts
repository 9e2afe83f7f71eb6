/** A shell that the runner has started. @module */

import { encodeByteText } from "../../text/byte_text.ts";
import { drain } from "../drain.ts";
import type { ChildProcess, ExitStatus } from "../../spawn_adapters/types.ts";
import type { ShellConnection, ShellListener } from "./shell_connection.ts";

/** The connection to a shell that is a child of the runner. */
export class SpawnedShell implements ShellConnection {
  readonly isRouted = false;
  readonly #child: ChildProcess;
  #bytesRead = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid;
  }

  get exited(): Promise<ExitStatus> {
    return this.#child.exited;
  }

  listen(listener: ShellListener): void {
    const ended = this.#read(listener).catch((error) => listener.onError(error));
    const cancel = () => this.cancel();
    this.exited.then(() => drain({ ended, bytesRead: () => this.#bytesRead, cancel })).catch(() => {});
  }

  write(data: string | Uint8Array): void {
    this.#child.stdin!.write(typeof data === "string" && !data.isWellFormed() ? encodeByteText(data) : data);
  }

  settle(): void {
    // The runner itself removes the outputs.
  }

  closeInput(): void {
    this.#child.stdin!.close();
  }

  cancel(): void {
    this.#child.stdout.cancel();
  }

  async #read(listener: ShellListener): Promise<void> {
    for (;;) {
      const bytes = await this.#child.stdout.read();
      if (!bytes) break;
      this.#bytesRead += bytes.length;
      listener.onBytes(bytes);
    }
    listener.onEnd(await this.exited);
  }
}
