import { Buffer } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** A device with random bytes, from the generator of the kernel that all runtimes use. */
const RANDOM_DEVICE = "/dev/urandom";

/**
 * Returns random bytes as hexadecimal digits, two for each byte. Nobody can guess them.
 *
 * @param length The number of bytes.
 */
export function randomHex(length: number): string {
  const bytes = new Uint8Array(length);
  // On Node, `crypto` takes 8 ms to load: a quarter of the start-up time.
  if ("Deno" in globalThis || "Bun" in globalThis || !fillFromDevice(bytes)) crypto.getRandomValues(bytes);
  return Buffer.from(bytes).toString("hex");
}

/** Fills an array from the device. Returns false where there is no such device. */
function fillFromDevice(bytes: Uint8Array): boolean {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(RANDOM_DEVICE, "r");
    return fstatSync(descriptor).isCharacterDevice() && readSync(descriptor, bytes) === bytes.length;
  } catch {
    return false;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
