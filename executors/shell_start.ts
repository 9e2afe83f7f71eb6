/**
 * Starts a program by a shell, which can do more than a runtime: it opens a file as standard input of the program, and
 * passes bytes that are not UTF-8.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { randomHex } from "../system/random_hex.ts";
import { encodeByteText, hasEscapedBytes } from "../text/byte_text.ts";
import { printfEscapes, quoteAlways } from "../text/shell_quote.ts";
import type { OutputReader, SpawnOptions } from "../spawn_adapters/types.ts";
import { isPlainVariable } from "./shell/plain_command.ts";
import { literalPath } from "./shell/script.ts";

/** Replaces the arguments by those that their text sets. Not every shell has a built-in `printf`. */
const DECODE = `eval "$(printf %b "$@")" || exit 126
`;

/** Opens the file that is the first argument. */
const OPEN = `[ ! -d "$1" ] && [ -r "$1" ] && exec <"$1" || exit 126
shift
`;

/**
 * Executes the program. Prints a marker before, and another when `exec` fails. With `execfail`, bash continues after a
 * failed `exec`; other shells exit, which runs the trap. The `case` is needed because some shells take `--` after `exec`
 * as the program, and others take a program such as `-x` as an option.
 */
const EXECUTE = `echo "$0 ready"
shopt -s execfail 2>/dev/null
trap 'echo "$0 failed"' EXIT
case "$1" in -*) (exec -- true) 2>/dev/null && exec -- "$@" ;; esac
exec "$@"
`;

/** The length of the longest text whose escapes fit into an argument. */
const MAX_PART_LENGTH = 24 * 1024;

/** Lines that the shell prints before the output of the program. */
export interface StartMarkers {
  /** Printed before the program is executed. */
  ready: string;
  /** Printed when the program could not start. */
  failed: string;
}

/** A command of a shell that starts another command, with the markers that it prints. */
export interface ShellStart extends Pick<SpawnOptions, "program" | "args" | "env"> {
  markers: StartMarkers;
}

/** Options of {@linkcode shellStart}. */
export interface ShellStartOptions {
  /** The program and its arguments. */
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** The file to open as standard input. */
  file: string | undefined;
}

/** Returns whether only a shell can start the command. Text with bytes that are not UTF-8 cannot pass a runtime. */
export function needsShellStart({ command, env, file }: ShellStartOptions): boolean {
  return file !== undefined || command.some(hasEscapedBytes) || Object.values(env).some(hasEscapedBytes);
}

/**
 * Returns a command that starts another command. The shell is looked up in the `PATH` of the runner, the program in the
 * `PATH` of the task.
 */
export function shellStart({ command, env, file }: ShellStartOptions): ShellStart {
  const token = randomHex(12); // so that no program can print the markers
  const isExported = ([name, value]: [string, string]) => name === "PATH" || hasEscapedBytes(value);
  const variables = Object.entries(env);
  const exports = variables.filter(isExported)
    .map(([name, value]) => `${name}=${quoteAlways(value)}\nexport ${name}\n`).join("");
  const words = file === undefined ? command : [literalPath(file), ...command];
  const script = file === undefined ? EXECUTE : OPEN + EXECUTE;
  const args = hasEscapedBytes(exports) || words.some(hasEscapedBytes)
    ? [DECODE + script, token, ...escapedParts(`${exports}set -- ${words.map(quoteAlways).join(" ")}`)]
    : [exports + script, token, ...words];
  return {
    program: "sh",
    args: ["-c", ...args],
    env: Object.fromEntries(variables.filter((variable) => !isExported(variable))),
    markers: { ready: `${token} ready\n`, failed: `${token} failed\n` },
  };
}

/** Returns text as ASCII arguments whose escapes `printf %b` replaces by the bytes. */
function escapedParts(text: string): string[] {
  const bytes = encodeByteText(text);
  const parts: string[] = [];
  for (let begin = 0; begin < bytes.length; begin += MAX_PART_LENGTH) {
    parts.push(printfEscapes(bytes.subarray(begin, begin + MAX_PART_LENGTH)));
  }
  return parts;
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
  #isReady = false;
  #hasFailed = false;

  constructor(reader: OutputReader, markers: StartMarkers) {
    this.#reader = reader;
    this.#markers = markers;
  }

  /**
   * Returns why the program did not start: `setup` when the shell could not open the file or decode the arguments, else a
   * system error code.
   *
   * @param status The exit status of the shell.
   * @returns `undefined` when the program started.
   */
  startFailure(status: number): "setup" | { code: string } | undefined {
    if (!this.#isReady) return "setup";
    return this.#hasFailed ? { code: status === 127 ? "ENOENT" : "EACCES" } : undefined;
  }

  async read(): Promise<Uint8Array | undefined> {
    const { ready, failed } = this.#markers;
    while (this.#head) {
      const chunk = await this.#reader.read();
      const head = Buffer.concat([this.#head, chunk ?? new Uint8Array()]);
      const text = head.subarray(0, ready.length + failed.length).toString("latin1");
      const isIncomplete = text.length < ready.length + failed.length && (ready + failed).startsWith(text);
      if (chunk && isIncomplete) {
        this.#head = head;
        continue;
      }
      this.#head = undefined;
      this.#isReady = text.startsWith(ready);
      this.#hasFailed = text === ready + failed;
      const output = head.subarray(this.#hasFailed ? text.length : this.#isReady ? ready.length : 0);
      if (output.length > 0) return output;
    }
    return await this.#reader.read();
  }

  cancel(): void {
    this.#reader.cancel();
  }
}
