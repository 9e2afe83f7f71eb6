import { crc32 } from "node:zlib";
import type { Task } from "./task.ts";

/**
 * A short hash of a command, as it stands in a result: the CRC-32 of the text, or of the program and its arguments with a
 * NUL after each, as 8 hexadecimal digits.
 */
export function commandHash(cmd: Task["cmd"]): string {
  return commandCrc(cmd).toString(16).padStart(8, "0");
}

/** The CRC-32 of a command: of its text, or of each argument with a NUL after it. */
export function commandCrc(cmd: Task["cmd"]): number {
  return crc32(typeof cmd === "string" ? cmd : cmd.map((argument) => `${argument}\0`).join(""));
}
