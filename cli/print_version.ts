import { VERSION } from "../text/version.ts";
import type { Io } from "./io.ts";
import { reportError } from "./report_error.ts";

/** Prints the version. Returns the exit status; never rejects. */
export async function printVersion(io: Io): Promise<number> {
  try {
    await io.stdout.write(new TextEncoder().encode(`taskrunner ${VERSION}\n`));
    return 0;
  } catch (error) {
    return await reportError(error, io);
  }
}
