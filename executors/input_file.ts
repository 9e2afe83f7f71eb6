/** A process whose standard input is a file, which a shell in that process opens before it starts the program. @module */

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { shellQuote } from "../text/shell_quote.ts";
import type { OutputReader, SpawnOptions } from "../spawn_adapters/types.ts";
import { isPlainVariable } from "./shell/plain_command.ts";
import { literalPath } from "./shell/script.ts";

/**
 * Opens a file and starts a program, and markers standard output when it has opened the file, and when it cannot start the
 * program. In bash `exec` returns then; in other shells it ends the shell, which runs the trap. Some shells take `--`
 * after `exec` for a program, and the others take a program whose name begins with a dash for an option.
 */
const SCRIPT = `shopt -s execfail 2>/dev/null
[ ! -d "$1" ] && [ -r "$1" ] && exec <"$1" || exit 126
shift
echo "$0 opened"
trap 'echo "$0 failed"' EXIT
case "$1" in -*) (exec -- true) 2>/dev/null && exec -- "$@" ;; esac
exec "$@"
`;

/** Lines by which the shell reports its progress before the program can print. */
export interface StartMarkers {
  opened: string;
  failed: string;
}

/** A command that opens a file, and how to recognize its reports. */
export interface InputFileCommand extends Pick<SpawnOptions, "program" | "args" | "env"> {
  markers: StartMarkers;
}

/**
 * Returns a command that starts another command with a file as standard input. The shell is found in the `PATH` of the
 * runner, and the program in that of the task.
 */
export function inputFileCommand(
  file: string,
  command: readonly string[],
  { PATH, ...env }: Readonly<Record<string, string>>,
): InputFileCommand {
  const token = randomBytes(12).toString("hex"); // no program can print the markers
  const script = PATH === undefined ? SCRIPT : `PATH=${shellQuote(PATH)}\nexport PATH\n${SCRIPT}`;
  return {
    program: "sh",
    args: ["-c", script, token, literalPath(file), ...command],
    env,
    markers: { opened: `${token} opened\n`, failed: `${token} failed\n` },
  };
}

/** Returns the name of a variable that a shell does not hand on as it is; `undefined` when there is none. */
export function unsupportedVariable(env: Readonly<Record<string, string>> | undefined): string | undefined {
  return Object.keys(env ?? {}).find((name) => !isPlainVariable(name));
}

/** Output of a program behind the markers of the shell that started it. */
export class MarkerReader implements OutputReader {
  readonly #reader: OutputReader;
  readonly #markers: StartMarkers;
  /** Bytes that may be a part of the markers. */
  #head: Uint8Array | undefined = new Uint8Array();
  #isOpened = false;
  #hasFailed = false;

  constructor(reader: OutputReader, markers: StartMarkers) {
    this.#reader = reader;
    this.#markers = markers;
  }

  /** Returns why the program has not started, by the exit status of the shell; `undefined` when it has started. */
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
