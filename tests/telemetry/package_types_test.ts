/** Compares the types of this project for OpenTelemetry with those of its packages. */

import { assertEquals } from "@std/assert/equals";
import type {
  ApiPackage,
  CorePackage,
  MetricsExporterPackage,
  MetricsSdkPackage,
  ResourcesPackage,
  TracesExporterPackage,
  TracesSdkPackage,
} from "../../telemetry/package_types.ts";
import { test } from "../support/test.ts";

/** Returns its argument, whose type the compiler compares. */
const as = <T>(value: T): T => value;

test("the packages of OpenTelemetry have the types that the telemetry uses", async () => {
  const packages = [
    as<ApiPackage>(await import("@opentelemetry/api")),
    as<CorePackage>(await import("@opentelemetry/core")),
    as<ResourcesPackage>(await import("@opentelemetry/resources")),
    as<TracesSdkPackage>(await import("@opentelemetry/sdk-trace")),
    as<TracesExporterPackage>(await import("@opentelemetry/exporter-trace-otlp-proto")),
    as<MetricsSdkPackage>(await import("@opentelemetry/sdk-metrics")),
    as<MetricsExporterPackage>(await import("@opentelemetry/exporter-metrics-otlp-proto")),
  ];
  assertEquals(packages.length, 7);
});
