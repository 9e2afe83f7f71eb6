import { excerpt } from "../text/excerpt.ts";

/** A kind of data for a collector. */
export type Signal = "traces" | "metrics";

/** A protocol to send a signal with. */
export type Protocol = typeof PROTOCOLS[number];

/** The signals to send. */
export type TelemetrySettings = Partial<Record<Signal, SignalSettings>>;

/** The protocol and the collector of a signal. */
export interface SignalSettings {
  protocol: Protocol;
  /** `HOST:PORT` of the collector. */
  address: string;
}

const PROTOCOLS = ["http/protobuf", "http/json"] as const;

/** Environment variables by name. Empty values count as not set. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the signals to send from the environment variables of OpenTelemetry: the signals that have an endpoint.
 *
 * @throws `RangeError` for an invalid value. The message contains no endpoint, which can contain a secret.
 */
export function readTelemetrySettings(env: Environment): TelemetrySettings {
  if (env["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true") return {};
  const settings: TelemetrySettings = {};
  for (const signal of ["traces", "metrics"] as const) {
    const [endpointName, endpoint] = firstSet(env, signal, "ENDPOINT");
    const exporters = env[`OTEL_${signal.toUpperCase()}_EXPORTER`]?.trim() || "otlp";
    if (endpoint === undefined || !exporters.split(",").includes("otlp")) continue;
    const [protocolName, value = PROTOCOLS[0]] = firstSet(env, signal, "PROTOCOL");
    const protocol = PROTOCOLS.find((known) => known === value);
    if (!protocol) throw new RangeError(`${protocolName} must be ${PROTOCOLS.join(" or ")}, got ${excerpt(value)}`);
    settings[signal] = { protocol, address: addressOf(endpointName, endpoint) };
  }
  return settings;
}

/** Returns the variable of the signal or, when it is not set, the variable of all signals. */
function firstSet(env: Environment, signal: Signal, what: string): [name: string, value: string | undefined] {
  const own = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${what}`;
  const name = env[own]?.trim() ? own : `OTEL_EXPORTER_OTLP_${what}`;
  return [name, env[name]?.trim() || undefined];
}

function addressOf(name: string, endpoint: string): string {
  const url = URL.parse(endpoint);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new RangeError(`${name} must be a URL that begins with http:// or https://`);
  }
  return `${url.hostname}:${url.port || (url.protocol === "https:" ? 443 : 80)}`;
}
