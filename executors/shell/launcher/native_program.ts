/** The native program that starts programs, for each processor that has one. @module */

import { Buffer } from "node:buffer";
import process from "node:process";

/** The processors for which there is a program, by their names on all runtimes. */
const ARCHITECTURES = ["arm64", "x64"] as const;
type Architecture = typeof ARCHITECTURES[number];

/** Returns the processor of this machine, if there is a program for it and its system. */
function supportedArchitecture(): Architecture | undefined {
  return process.platform === "linux" ? ARCHITECTURES.find((name) => name === process.arch) : undefined;
}

/** Returns whether there is a program for this machine. */
export function canLaunch(): boolean {
  return supportedArchitecture() !== undefined;
}

/**
 * Returns the program for this machine.
 *
 * @throws `Error` when there is none.
 */
export async function nativeProgram(): Promise<Uint8Array> {
  const architecture = supportedArchitecture();
  if (!architecture) throw new Error("There is no launcher for this machine");
  const { NATIVE_PROGRAMS } = await import("./native_programs.generated.ts");
  return Buffer.from(NATIVE_PROGRAMS[architecture], "base64");
}
