/**
 * Gives a program a file as standard input: a shell opens the file and then executes the program.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { shellQuote } from "../text/shell_quote.ts";
import type { OutputReader, SpawnOptions } from "../spawn_adapters/types.ts";
import { isPlainVariable } from "./shell/plain_command.ts";
import { literalPath } from "./shell/script.ts";

/**
 * Opens the file and executes the program. Prints a marker after opening the file, and another when `exec` fails. With
 * `execfail`, bash continues after a failed `exec`; other shells exit, which runs the trap. The `case` is needed because
 * some shells take `--` after `exec` as the program, and others take a program such as `-x` as an option.
 */
const SCRIPT = `shopt -s execfail 2>/dev/null
[ ! -d "$1" ] && [ -r "$1" ] && exec <"$1" || exit 126
shift
echo "$0 opened"
trap 'echo "$0 failed"' EXIT
case "$1" in -*) (exec -- true) 2>/dev/null && exec -- "$@" ;; esac
exec "$@"
`;

/** Lines that the shell prints before the output of the program. */
export interface StartMarkers {
  /** Printed when the file is open. */
  opened: string;
  /** Printed when the program could not start. */
  failed: string;
}

/** A command that opens a file and starts another command, with the markers that it prints. */
export interface InputFileCommand extends Pick<SpawnOptions, "program" | "args" | "env"> {
  markers: StartMarkers;
}

/**
 * Returns a command that starts another command with a file as standard input. The shell is looked up in the `PATH` of
 * the runner, the program in the `PATH` of the task.
 */
export function inputFileCommand(
  file: string,
  command: readonly string[],
  { PATH, ...env }: Readonly<Record<string, string>>,
): InputFileCommand {
  const token = randomBytes(12).toString("hex"); // so that no program can print the markers
  const script = PATH === undefined ? SCRIPT : `PATH=${shellQuote(PATH)}\nexport PATH\n${SCRIPT}`;
  return {
    program: "sh",
    args: ["-c", script, token, literalPath(file), ...command],
    env,
    markers: { opened: `${token} opened\n`, failed: `${token} failed\n` },
  };
}

/** Returns the name of the first variable that a shell does not pass on unchanged, if there is one. */
export function unsupportedVariable(env: Readonly<Record<string, string>> | undefined): string | undefined {
  return Object.keys(env ?? {}).find((name) => !isPlainVariable(name));
}

/** Reads the output of a program, and removes the markers of the shell that started the program. */
export class MarkerReader implements OutputReader {
  readonly #reader: OutputReader;
  readonly #markers: StartMarkers;
  /** Bytes that may belong to the markers; `undefined` once the markers are removed. */
  #head: Uint8Array | undefined = new Uint8Array();
  #isOpened = false;
  #hasFailed = false;

  constructor(reader: OutputReader, markers: StartMarkers) {
    this.#reader = reader;
    this.#markers = markers;
  }

  /**
   * Returns why the program did not start: `input` when the file could not be opened, else a system error code.
   *
   * @param status The exit status of the shell.
   * @returns `undefined` when the program started.
   */
  startFailure(status: number): "input" | { code: string } | undefined {
    if (!this.#isOpened) return "input";
    return this.#hasFailed ? { code: status === 127 ? "ENOENT" : "EACCES" } : undefined;
  }

  async read(): Promise<Uint8Array | undefined> {
    const { opened, failed } = this.#markers;
    while (this.#head) {
      const chunk = await this.#reader.read();
      const head = Buffer.concat([this.#head, chunk ?? new Uint8Array()]);
      const text = head.subarray(0, opened.length + failed.length).toString("latin1");
      const isIncomplete = text.length < opened.length + failed.length && (opened + failed).startsWith(text);
      if (chunk && isIncomplete) {
        this.#head = head;
        continue;
      }
      this.#head = undefined;
      this.#isOpened = text.startsWith(opened);
      this.#hasFailed = text === opened + failed;
      const output = head.subarray(this.#hasFailed ? text.length : this.#isOpened ? opened.length : 0);
      if (output.length > 0) return output;
    }
    return await this.#reader.read();
  }

  cancel(): void {
    this.#reader.cancel();
  }
}
