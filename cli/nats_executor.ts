import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { NatsOptions } from "../nats/client/options.ts";
import type { ExecutorFactory } from "../pool/executor.ts";
import { isPermitted } from "../system/deno_permissions.ts";
import { type Io, notify } from "./io.ts";

/**
 * Creates an executor that names its run after the results file, so that the run can be resumed. Loads the module here,
 * because most runs do not need it.
 *
 * @param file the path of the results file.
 * @param isResumed whether the run continues the run of that file.
 */
export async function natsExecutorFor(
  nats: NatsOptions,
  file: string | undefined,
  isResumed: boolean,
  log: Io["stderr"],
): Promise<ExecutorFactory> {
  const { natsExecutor } = await import("../nats/executor/factory.ts");
  return natsExecutor({
    ...nats,
    ...(file !== undefined && { run: runNameOf(file), resume: isResumed }),
    onNotice: (text) => notify(log, `taskrunner: ${text}`),
  });
}

/** Returns the name of the run that writes a results file. Runs of other machines have other names. */
function runNameOf(file: string): string {
  const path = "/etc/machine-id"; // missing on some systems
  const id = isPermitted({ name: "read", path }) && existsSync(path) ? readFileSync(path, "utf8") : "";
  return createHash("sha256").update(`${hostname()}${id}\0${resolve(file)}`).digest("hex").slice(0, 16);
}
