import { excerpt } from "../text/excerpt.ts";
import { MAX_TIMEOUT_MS } from "../records/task.ts";

const MAX_INTEGER = 2 ** 31 - 1;

/** The default and the limits of each number. The library would take any number: a batch of 0 spans never ends. */
const NUMBERS = {
  OTEL_BSP_MAX_QUEUE_SIZE: { fallback: 16_384, min: 1, max: MAX_INTEGER }, // spans of about 2 KB; what is more is lost
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: { fallback: 1_024, min: 1, max: MAX_INTEGER }, // thousands may end in a second
  OTEL_BSP_SCHEDULE_DELAY: { fallback: 5_000, min: 0, max: MAX_TIMEOUT_MS },
  OTEL_METRIC_EXPORT_INTERVAL: { fallback: 60_000, min: 1, max: MAX_TIMEOUT_MS },
  OTEL_EXPORTER_OTLP_TIMEOUT: { fallback: 10_000, min: 1, max: MAX_TIMEOUT_MS },
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: { fallback: undefined, min: 1, max: MAX_TIMEOUT_MS },
  OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: { fallback: undefined, min: 1, max: MAX_TIMEOUT_MS },
} as const;

/** The numbers that the environment has for OpenTelemetry. */
export interface TelemetryNumbers {
  /** How many spans wait for a slow collector, at most. */
  maxQueuedSpans: number;
  /** How many spans are sent at once. */
  maxBatchSpans: number;
  /** How long a span waits for others to be sent with. */
  sendSpansAfterMs: number;
  /** The time between two reports of the metrics. */
  metricsIntervalMs: number;
  /** How long the collector may take to answer. */
  tracesTimeoutMs: number;
  metricsTimeoutMs: number;
}

/**
 * Reads the numbers that the environment has for OpenTelemetry. One that is out of range counts as not set, as OpenTelemetry
 * asks for.
 *
 * @param onNotice called with a sentence for each number that is out of range.
 */
export function readTelemetryNumbers(
  env: Readonly<Record<string, string | undefined>>,
  onNotice: (text: string) => void,
): TelemetryNumbers {
  const read = <Name extends keyof typeof NUMBERS>(name: Name): number | typeof NUMBERS[Name]["fallback"] => {
    const { fallback, min, max } = NUMBERS[name];
    const text = env[name]?.trim();
    if (!text) return fallback;
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    onNotice(`telemetry: ${name} must be a whole number from ${min} to ${max}, got ${excerpt(text)}; it is ignored`);
    return fallback;
  };
  const timeoutMs = read("OTEL_EXPORTER_OTLP_TIMEOUT");
  return {
    maxQueuedSpans: read("OTEL_BSP_MAX_QUEUE_SIZE"),
    maxBatchSpans: read("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
    sendSpansAfterMs: read("OTEL_BSP_SCHEDULE_DELAY"),
    metricsIntervalMs: read("OTEL_METRIC_EXPORT_INTERVAL"),
    tracesTimeoutMs: read("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") ?? timeoutMs,
    metricsTimeoutMs: read("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT") ?? timeoutMs,
  };
}
