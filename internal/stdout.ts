import process from "node:process";

interface DenoStdout {
  stdout: { write(bytes: Uint8Array): Promise<number> };
}

/**
 * Writes to standard output, however long nobody reads it, and lets everything else go on meanwhile.
 *
 * @throws the error of the system, such as one with the code `EPIPE` when nobody will read any more.
 */
export async function writeStdout(bytes: Uint8Array): Promise<void> {
  const { Deno: deno } = globalThis as { Deno?: DenoStdout };
  if (!deno) {
    return await new Promise((resolve, reject) => {
      process.stdout.write(bytes, (error) => error ? reject(error) : resolve());
    });
  }
  // The stream of node:process would block the whole program here.
  for (let written = 0; written < bytes.length;) written += await deno.stdout.write(bytes.subarray(written));
}
