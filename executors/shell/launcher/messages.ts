/**
 * Encodes the commands to the launcher, and parses its reports.
 *
 * `docs/launcher_protocol.md` specifies the messages. All numbers are little-endian.
 *
 * @module
 */

import { concatenate } from "../../../text/concatenate.ts";
import { encodeByteText } from "../../../text/byte_text.ts";
import { encodeOutput } from "../../../pool/encode_output.ts";
import type { Output } from "../../../pool/executor.ts";
import { REPORT_BYTES } from "../attempt_worker.ts";
import type { RoutedEnd } from "../shell_connection.ts";

/** The limit of a message, which a pipe passes as a whole. */
export const MESSAGE_BYTES = REPORT_BYTES;
/** The length of the secret that each report after the first repeats. */
export const SECRET_BYTES = 16;
/** The maximum number of starters and shells of a launcher. */
export const MAX_STARTERS = 4096;
/** The number of programs that a pipeline can have. */
export const MAX_PROGRAMS = 64;

const COMMAND_HEADER_BYTES = 16;
const RUN_HEADER_BYTES = 28;
const OPEN_SHELL_HEADER_BYTES = 20;
const SCRIPT_HEADER_BYTES = 24;
const REPORT_HEADER_BYTES = 32;
const ENDED_HEADER_BYTES = 68;
const REPORTED_HEADER_BYTES = 52;
/** The last real-time signal of Linux. */
const MAX_SIGNAL = 64;
/** The length of an output that stays in its file. */
const IN_FILE = 0xffffffff;

const COMMAND = { secret: 0, open: 1, run: 2, close: 3, openShell: 4, script: 5 } as const;
const REPORTS = [
  ...["ready", "opened", "begun", "ended", "unopened", "unstarted", "died", "channel", "reported"] as const,
];
const RUN_FLAG = { reportsBegin: 1, isQueued: 2, keepsFiles: 4 } as const;

/** A redirection of a descriptor of a program. */
export interface Redirection {
  /** The number of the descriptor: 0, 1 or 2. */
  readonly descriptor: string;
  /** `&` for a copy of another descriptor. */
  readonly operator: "<" | ">" | ">>" | "&";
  /** A path, or the number of another descriptor. */
  readonly target: string;
}

/** A program to start. */
export interface Program {
  /** The program and its arguments. */
  readonly words: readonly string[];
  /** The redirections, in the order in which they apply. */
  readonly redirections: readonly Redirection[];
}

/** The programs of a task. */
export interface ProgramCommand {
  /** One program, or those of a pipeline. */
  readonly programs: readonly Program[];
  /** Variables that the programs get besides those of the launcher. */
  readonly variables: Readonly<Record<string, string>>;
  /** The path of standard input, or an empty text for an empty input. */
  readonly stdin: string;
  /** The paths of new files for the outputs. */
  readonly stdout: string;
  readonly stderr: string;
  /** The directory in which the programs start, or an empty text for that of the launcher. */
  readonly directory: string;
  /** The shell that prints messages about programs that cannot start; empty for one program without redirections. */
  readonly shell: string;
  /** True to report the start of the program. */
  readonly reportsBegin: boolean;
  /** True when another program may still be running, so that the runner may be dead when this one begins. */
  readonly isQueued: boolean;
  /** True to leave outputs in their files, even when they are short. */
  readonly keepsFiles: boolean;
}

/** A shell to start. */
export interface ShellCommand {
  /** A path, or a name to look up in `PATH`. */
  readonly shell: string;
  /** The beginning of each report of the shell. */
  readonly token: string;
  /** Variables that the shell gets besides those of the launcher. */
  readonly variables: Readonly<Record<string, string>>;
}

/** A script, or a part of one, for a shell. */
export interface ScriptCommand {
  /** The number of the report; 0 when no report follows, or when an earlier part has the number. */
  readonly number: number;
  /** The number of the last report that was read. The router removes the files whose contents were in it. */
  readonly settled: number;
  /** The paths of outputs to report, each perhaps empty. */
  readonly stdout: string;
  readonly stderr: string;
}

/** The end of a program. */
export interface ProgramEnd {
  /** The exit code; `null` when a signal ended the program. */
  code: number | null;
  /** The number of the signal that ended the program; `null` for another end. */
  signal: number | null;
  durationMs: number;
  userMs: number;
  systemMs: number;
  /** The outputs; `undefined` for one that is in its file. */
  stdout: Output | undefined;
  stderr: Output | undefined;
}

/** A report about a program. */
export type ProgramReport =
  /** The program has begun, at an uptime of the system. */
  | { kind: "begun"; starter: number; number: number; uptimeMs: number }
  | { kind: "ended"; starter: number; number: number; end: ProgramEnd }
  /** The file for standard output could not be created, or an earlier program could not start. */
  | { kind: "unopened"; starter: number; number: number; errno: number }
  /** The program could not start, and has left nothing behind. */
  | { kind: "unstarted"; starter: number; number: number; errno: number };

/** A report about a shell. */
export type ShellReport =
  /** Bytes from the channel. */
  | { kind: "channel"; starter: number; bytes: Uint8Array }
  /** Bytes from the channel that end with the report of a script. */
  | { kind: "reported"; starter: number; number: number; bytes: Uint8Array; end: RoutedEnd };

/** A report from the launcher. */
export type LauncherReport =
  /** The router has started. */
  | { kind: "ready"; pid: number }
  | { kind: "opened"; starter: number; pid: number }
  | ProgramReport
  | ShellReport
  /** The starter or shell has ended, with a status of `wait`; `undefined` when it could not be opened. */
  | { kind: "died"; starter: number; status: number | undefined };

/** A report that the launcher cannot have sent. */
export class LauncherProtocolError extends Error {
  override name = "LauncherProtocolError";
}

const encoder = new TextEncoder();
const scratch = new Uint8Array(MESSAGE_BYTES);
const scratchView = new DataView(scratch.buffer);

/** Returns the command that sets the secret. */
export function secretCommand(secret: Uint8Array): Uint8Array {
  scratch.set(secret, COMMAND_HEADER_BYTES);
  return message(COMMAND.secret, 0, 0, COMMAND_HEADER_BYTES + SECRET_BYTES);
}

/** Returns the command that opens a starter. */
export function openCommand(starter: number): Uint8Array {
  return message(COMMAND.open, starter, 0, COMMAND_HEADER_BYTES);
}

/** Returns the command that ends a starter after its last program. */
export function closeCommand(starter: number): Uint8Array {
  return message(COMMAND.close, starter, 0, COMMAND_HEADER_BYTES);
}

/** Returns the command that runs a program; `undefined` for one that is too long for a message. */
export function runCommand(starter: number, number: number, command: ProgramCommand): Uint8Array | undefined {
  const { programs, variables, stdin, stdout, stderr, directory, shell, reportsBegin, isQueued, keepsFiles } = command;
  let variableCount = 0;
  const parts = partsOf(programs);
  let text = `${stdin}\0${stdout}\0${stderr}\0${directory}\0${shell}\0${parts.join("\0")}\0`;
  for (const name in variables) {
    text += `${name}=${variables[name]}\0`;
    variableCount++;
  }
  const bytes = encodeText(text, RUN_HEADER_BYTES);
  if (bytes === undefined) return undefined;
  scratchView.setUint32(
    COMMAND_HEADER_BYTES,
    (reportsBegin ? RUN_FLAG.reportsBegin : 0) | (isQueued ? RUN_FLAG.isQueued : 0) |
      (keepsFiles ? RUN_FLAG.keepsFiles : 0),
    true,
  );
  scratchView.setUint32(COMMAND_HEADER_BYTES + 4, parts.length, true);
  scratchView.setUint32(COMMAND_HEADER_BYTES + 8, variableCount, true);
  return message(COMMAND.run, starter, number, RUN_HEADER_BYTES + bytes);
}

/** Returns the parts of programs: a word after a space, a redirection that begins with a digit, or a pipe. */
function partsOf(programs: readonly Program[]): string[] {
  const parts: string[] = [];
  for (const { words, redirections } of programs) {
    if (parts.length > 0) parts.push("|");
    for (const word of words) parts.push(` ${word}`);
    for (const { descriptor, operator, target } of redirections) {
      parts.push(`${descriptor}${operator === ">>" ? "+" : operator}${target}`);
    }
  }
  return parts;
}

/** Returns the command that starts a shell; `undefined` for one that is too long for a message. */
export function openShellCommand(starter: number, { shell, token, variables }: ShellCommand): Uint8Array | undefined {
  const entries = Object.entries(variables);
  const text = `${token}\0${shell}\0${entries.map(([name, value]) => `${name}=${value}\0`).join("")}`;
  const bytes = encodeText(text, OPEN_SHELL_HEADER_BYTES);
  if (bytes === undefined) return undefined;
  scratchView.setUint32(COMMAND_HEADER_BYTES, entries.length, true);
  return message(COMMAND.openShell, starter, 0, OPEN_SHELL_HEADER_BYTES + bytes);
}

/** Returns the commands that pass a script on to a shell: one, except for a script that is too long for a message. */
export function scriptCommands(starter: number, command: ScriptCommand, script: string | Uint8Array): Uint8Array[] {
  const begin = encodePaths(command);
  const length = typeof script === "string" ? encodeText(script, begin) : undefined;
  if (length !== undefined) return [scriptCommand(starter, command, begin, length)];
  const messages: Uint8Array[] = [];
  const part = { ...command };
  for (let rest = typeof script === "string" ? encodeByteText(script) : script; rest.length > 0;) {
    const partBegin = encodePaths(part);
    const bytes = rest.subarray(0, MESSAGE_BYTES - partBegin);
    scratch.set(bytes, partBegin);
    messages.push(scriptCommand(starter, part, partBegin, bytes.length));
    rest = rest.subarray(bytes.length);
    Object.assign(part, { number: 0, stdout: "", stderr: "" });
  }
  return messages;
}

/** Writes the paths of a script. Returns their end. Without space for them, the outputs stay in their files. */
function encodePaths({ stdout, stderr }: ScriptCommand): number {
  const bytes = encodeText(`${stdout}\0${stderr}\0`, SCRIPT_HEADER_BYTES) ?? encodeText("\0\0", SCRIPT_HEADER_BYTES)!;
  return SCRIPT_HEADER_BYTES + bytes;
}

function scriptCommand(starter: number, { number, settled }: ScriptCommand, begin: number, bytes: number): Uint8Array {
  scratchView.setUint32(COMMAND_HEADER_BYTES, settled, true);
  scratchView.setUint32(COMMAND_HEADER_BYTES + 4, bytes, true);
  return message(COMMAND.script, starter, number, begin + bytes);
}

/** Writes text at an offset of the message. Returns the number of bytes; `undefined` when they do not fit. */
function encodeText(text: string, begin: number): number | undefined {
  if (text.length > MESSAGE_BYTES) return undefined;
  const target = scratch.subarray(begin);
  if (text.isWellFormed()) {
    const { read, written } = encoder.encodeInto(text, target);
    return read === text.length ? written : undefined;
  }
  const bytes = encodeByteText(text);
  if (bytes.length > target.length) return undefined;
  target.set(bytes);
  return bytes.length;
}

function message(kind: number, starter: number, number: number, length: number): Uint8Array {
  const bytes = (length + 3) & ~3; // the launcher reads aligned messages
  scratchView.setUint32(0, bytes, true);
  scratchView.setUint32(4, starter, true);
  scratchView.setUint32(8, kind, true);
  scratchView.setUint32(12, number, true);
  return scratch.slice(0, bytes);
}

/** Parses the reports of one launcher. */
export class LauncherReportReader {
  readonly #secret: Uint8Array;
  #partial = new Uint8Array();
  #isReady = false;

  /** @param secret The bytes that each report must contain. The launcher does not know them before it is ready. */
  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /**
   * Parses bytes from the launcher. The reports keep no reference to the bytes.
   *
   * @throws {LauncherProtocolError} for bytes that the launcher cannot have sent.
   */
  push(chunk: Uint8Array): LauncherReport[] {
    const bytes = this.#partial.length === 0 ? chunk : concatenate([this.#partial, chunk]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const reports: LauncherReport[] = [];
    let begin = 0;
    while (bytes.length - begin >= REPORT_HEADER_BYTES) {
      const length = view.getUint32(begin, true);
      if (length < REPORT_HEADER_BYTES || length > MESSAGE_BYTES) throw malformed(`a length of ${length}`);
      if (bytes.length - begin < length) break;
      reports.push(this.#parse(view, bytes.subarray(begin, begin + length), begin));
      begin += length;
    }
    this.#partial = bytes.slice(begin);
    return reports;
  }

  #parse(view: DataView, bytes: Uint8Array, offset: number): LauncherReport {
    const starter = view.getUint32(offset + 4, true);
    const kind = REPORTS[view.getUint32(offset + 8, true)];
    const number = view.getUint32(offset + 12, true);
    const isFirst = kind === "ready" && !this.#isReady;
    for (let index = 0; index < SECRET_BYTES && !isFirst; index++) {
      if (bytes[16 + index] !== this.#secret[index]) throw malformed("a wrong secret");
    }
    this.#isReady = true;
    const value = bytes.length >= REPORT_HEADER_BYTES + 4 ? view.getUint32(offset + REPORT_HEADER_BYTES, true) : 0;
    const expected = (length: number) => {
      if (bytes.length !== length) throw malformed(`${bytes.length} bytes of the kind ${kind}`);
    };
    switch (kind) {
      case "ready":
        expected(REPORT_HEADER_BYTES + 4);
        return { kind, pid: value };
      case "opened":
        expected(REPORT_HEADER_BYTES + 4);
        return { kind, starter, pid: value };
      case "begun":
        expected(REPORT_HEADER_BYTES + 8);
        return { kind, starter, number, uptimeMs: read64(view, offset + REPORT_HEADER_BYTES) / 1e6 };
      case "ended":
        return { kind, starter, number, end: parseEnd(view, bytes, offset) };
      case "unopened":
      case "unstarted":
        expected(REPORT_HEADER_BYTES + 4);
        return { kind, starter, number, errno: value };
      case "died":
        expected(REPORT_HEADER_BYTES + 4);
        return { kind, starter, status: value === IN_FILE ? undefined : value };
      case "channel":
        return { kind, starter, bytes: bytes.slice(REPORT_HEADER_BYTES) };
      case "reported":
        return { kind, starter, number, ...parseReported(view, bytes, offset) };
    }
    throw malformed("an unknown kind");
  }
}

function parseEnd(view: DataView, bytes: Uint8Array, offset: number): ProgramEnd {
  if (bytes.length < ENDED_HEADER_BYTES) throw malformed("a short report of an end");
  const body = offset + REPORT_HEADER_BYTES;
  const status = view.getUint32(body + 24, true);
  const [stdoutBytes, stderrBytes] = [view.getUint32(body + 28, true), view.getUint32(body + 32, true)];
  const stdoutEnd = ENDED_HEADER_BYTES + (stdoutBytes === IN_FILE ? 0 : stdoutBytes);
  const stderrEnd = stdoutEnd + (stderrBytes === IN_FILE ? 0 : stderrBytes);
  if (stderrEnd !== bytes.length) throw malformed("outputs of another length");
  const wait = waitStatus(status);
  if (!wait) throw malformed(`the status ${status}`);
  return {
    ...wait,
    durationMs: read64(view, body) / 1e6,
    userMs: read64(view, body + 8) / 1e3,
    systemMs: read64(view, body + 16) / 1e3,
    stdout: parseOutput(bytes, stdoutBytes, ENDED_HEADER_BYTES),
    stderr: parseOutput(bytes, stderrBytes, stdoutEnd),
  };
}

function parseReported(
  view: DataView,
  bytes: Uint8Array,
  offset: number,
): { bytes: Uint8Array; end: RoutedEnd } {
  if (bytes.length < REPORTED_HEADER_BYTES) throw malformed("a short report of a script");
  const body = offset + REPORT_HEADER_BYTES;
  const [stdoutBytes, stderrBytes] = [view.getUint32(body + 12, true), view.getUint32(body + 16, true)];
  const channelEnd = REPORTED_HEADER_BYTES + view.getUint32(body + 8, true);
  const stdoutEnd = channelEnd + (stdoutBytes === IN_FILE ? 0 : stdoutBytes);
  const stderrEnd = stdoutEnd + (stderrBytes === IN_FILE ? 0 : stderrBytes);
  if (stderrEnd !== bytes.length) throw malformed("outputs of another length");
  return {
    bytes: bytes.slice(REPORTED_HEADER_BYTES, channelEnd),
    end: {
      durationMs: read64(view, body) / 1e6,
      stdout: parseOutput(bytes, stdoutBytes, channelEnd),
      stderr: parseOutput(bytes, stderrBytes, stdoutEnd),
    },
  };
}

function parseOutput(bytes: Uint8Array, length: number, begin: number): Output | undefined {
  return length === IN_FILE
    ? undefined
    : length === 0
    ? { text: "" }
    : encodeOutput(bytes.subarray(begin, begin + length));
}

/** Decodes a status of `wait`; returns `undefined` for a status with which no process ends. */
export function waitStatus(status: number): { code: number | null; signal: number | null } | undefined {
  const signal = status & 0x7f; // above are a flag for a core dump, and the exit code
  if (signal === 0) return (status & 0x80) !== 0 || status > 0xffff ? undefined : { code: status >> 8, signal: null };
  return signal > MAX_SIGNAL || status > 0xff ? undefined : { code: null, signal };
}

function read64(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
}

function malformed(what: string): LauncherProtocolError {
  return new LauncherProtocolError(`The launcher sent ${what}`);
}
