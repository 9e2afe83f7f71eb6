import process from "node:process";
import { isPermitted } from "../system/deno_permissions.ts";
import { systemReason } from "../system/system_error.ts";
import { readTelemetrySettings } from "./settings.ts";
import type { Telemetry } from "./telemetry.ts";

/**
 * Begins the trace of a run if the environment configures telemetry; only then loads the packages of OpenTelemetry. Never
 * rejects: after an error, the run continues without telemetry, and `onNotice` receives the reason.
 */
export async function openTelemetry(onNotice: (text: string) => void): Promise<Telemetry | undefined> {
  try {
    if (!isPermitted({ name: "env" })) return undefined;
    const settings = readTelemetrySettings(process.env);
    for (const { address } of Object.values(settings)) {
      if (!isPermitted({ name: "net", host: address })) throw new Error(`Deno needs --allow-net=${address}`);
    }
    if (Object.keys(settings).length === 0) return undefined;
    const { readTelemetryNumbers } = await import("./numbers.ts");
    const { Telemetry } = await import("./telemetry.ts");
    return await Telemetry.open(settings, readTelemetryNumbers(process.env, onNotice));
  } catch (error) {
    onNotice(`telemetry is disabled: ${systemReason(error)}`);
    return undefined;
  }
}
