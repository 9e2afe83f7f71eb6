import { fstatSync, statSync } from "node:fs";
import process from "node:process";
import { isPermitted } from "./deno_permissions.ts";

/** The device that most programs without a terminal have as their standard input. */
const NULL_DEVICE = "/dev/null";

/**
 * Returns whether a descriptor is a terminal.
 *
 * @param descriptor The number of an open or closed descriptor.
 */
export function isTerminal(descriptor: number): boolean {
  // `node:tty` takes up to 10 ms to load on Bun, so it answers only for devices.
  return mayBeTerminal(descriptor) && process.getBuiltinModule("node:tty").isatty(descriptor);
}

/** Returns false for what is certainly not a terminal: files, pipes, sockets and the null device. */
function mayBeTerminal(descriptor: number): boolean {
  try {
    const status = fstatSync(descriptor);
    return status.isCharacterDevice() && status.rdev !== nullDevice();
  } catch {
    return true; // closed
  }
}

/** Returns the number of the null device; `undefined` where Deno does not permit the question. */
function nullDevice(): number | undefined {
  return isPermitted({ name: "read", path: NULL_DEVICE }) ? statSync(NULL_DEVICE).rdev : undefined;
}
