/** Loads the packages of OpenTelemetry on demand. @module */

import { importNpmPackage } from "../system/npm_package.ts";
import { systemReason } from "../system/system_error.ts";
import type {
  ApiPackage,
  CorePackage,
  MetricsExporterPackage,
  MetricsSdkPackage,
  ResourcesPackage,
  TracesExporterPackage,
  TracesSdkPackage,
} from "./package_types.ts";
import type { Protocol, TelemetrySettings } from "./settings.ts";

/** The packages that all signals need. */
export interface CommonPackages {
  api: ApiPackage;
  core: CorePackage;
  resources: ResourcesPackage;
}

/** The packages that traces need. */
export interface TracesPackages {
  sdk: TracesSdkPackage;
  exporter: TracesExporterPackage;
}

/** The packages that metrics need. */
export interface MetricsPackages {
  sdk: MetricsSdkPackage;
  exporter: MetricsExporterPackage;
}

/** The loaded packages. */
export interface Packages {
  common: CommonPackages;
  traces: TracesPackages | undefined;
  metrics: MetricsPackages | undefined;
}

/** Loads the packages that the settings need. */
export async function loadPackages({ traces, metrics }: TelemetrySettings): Promise<Packages> {
  const tracesNames = traces && ["sdk-trace", `exporter-trace-otlp-${suffixOf(traces.protocol)}`] as const;
  const metricsNames = metrics && ["sdk-metrics", `exporter-metrics-otlp-${suffixOf(metrics.protocol)}`] as const;
  try {
    return {
      common: { api: await load("api"), core: await load("core"), resources: await load("resources") },
      traces: tracesNames && { sdk: await load(tracesNames[0]), exporter: await load(tracesNames[1]) },
      metrics: metricsNames && { sdk: await load(metricsNames[0]), exporter: await load(metricsNames[1]) },
    };
  } catch (error) {
    const names = ["api", "core", "resources", ...tracesNames ?? [], ...metricsNames ?? []];
    const install = names.map((name) => `${fullName(name)}@${versionOf(name)}`).join(" ");
    throw new Error(`Cannot load its packages: ${systemReason(error)}; run npm install ${install}`);
  }
}

/** Returns the last part of the name of an exporter package. The exporters of both protocols have the same interface. */
function suffixOf(protocol: Protocol): string {
  return protocol === "http/json" ? "http" : "proto";
}

function load<T>(name: string): Promise<T> {
  return importNpmPackage(fullName(name), versionOf(name));
}

function fullName(name: string): string {
  return `@opentelemetry/${name}`;
}

/** Returns the version of a package. The tests use these versions together. */
function versionOf(name: string): string {
  if (name === "api") return "1.10.0";
  return name.startsWith("exporter-") ? "0.301.0" : "3.1.0";
}
