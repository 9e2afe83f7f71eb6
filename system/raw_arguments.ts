/** Reads the arguments of this process with all their bytes. @module */

import { readFileSync } from "node:fs";
import { decodeByteText } from "../text/byte_text.ts";
import { excerpt } from "../text/excerpt.ts";

/** The file with the arguments of this process, those of the runtime first, with a NUL after each. */
const COMMAND_LINE = "/proc/self/cmdline";

/** The character with which runtimes replace bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";

/**
 * Returns the arguments of this process as byte text. Node and Bun replace bytes that are not UTF-8. When an argument
 * may have lost such bytes, the arguments come from the system. Deno does not start with such arguments.
 *
 * @param args The arguments from the runtime.
 * @param readCommandLine Reads the arguments from the system.
 * @throws `Error` when an argument may have lost bytes, and the system does not reveal the bytes.
 */
export function rawArguments(
  args: readonly string[],
  readCommandLine: () => Uint8Array = () => readFileSync(COMMAND_LINE),
): readonly string[] {
  const damaged = args.find((argument) => argument.includes(REPLACEMENT));
  if (damaged === undefined || "Deno" in globalThis) return args;
  const exact = exactArguments(args, readCommandLine);
  if (exact) return exact;
  // A name with replaced bytes would be the name of another file.
  throw new Error(`Cannot use the argument ${excerpt(damaged)}: it is not UTF-8, or contains U+FFFD`);
}

/** Returns the arguments of the program from the end of the command line; `undefined` when they do not match. */
function exactArguments(args: readonly string[], readCommandLine: () => Uint8Array): readonly string[] | undefined {
  let bytes: Uint8Array;
  try {
    bytes = readCommandLine();
  } catch {
    return undefined;
  }
  // No byte of UTF-8 beyond ASCII is a NUL, so decoding does not move the ends of arguments.
  const all = decodeByteText(bytes).split("\0").slice(0, -1);
  const exact = all.slice(-args.length);
  const isSame = exact.length === args.length &&
    exact.every((argument, index) => withoutDetails(argument.toWellFormed()) === withoutDetails(args[index]!));
  return isSame ? exact : undefined;
}

/** Merges each run of replacement characters into one, because runtimes insert different numbers of them. */
function withoutDetails(text: string): string {
  return text.replace(/\ufffd+/g, REPLACEMENT);
}
