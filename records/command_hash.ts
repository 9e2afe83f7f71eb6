import { crc32 } from "../system/crc32.ts";
import { encodeByteText } from "../text/byte_text.ts";
import type { Task } from "./task.ts";

/** Returns {@linkcode commandCrc} as 8 hexadecimal digits, the form in a result. */
export function commandHash(cmd: Task["cmd"]): string {
  return commandCrc(cmd).toString(16).padStart(8, "0");
}

/** Returns the CRC-32 of the bytes of a command: of its text, or of the program and its arguments with a NUL after each. */
export function commandCrc(cmd: Task["cmd"]): number {
  const text = typeof cmd === "string" ? cmd : cmd.map((argument) => `${argument}\0`).join("");
  return crc32(text.isWellFormed() ? text : encodeByteText(text));
}
