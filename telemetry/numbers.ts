import { excerpt } from "../text/excerpt.ts";
import { MAX_TIMEOUT_MS } from "../records/task.ts";

const MAX_INTEGER = 2 ** 31 - 1;

/** The default and the range of each number. The library accepts any number, and loops forever with a batch of 0 spans. */
const NUMBERS = {
  OTEL_BSP_MAX_QUEUE_SIZE: { fallback: 16_384, min: 1, max: MAX_INTEGER }, // spans of about 2 KB; further spans are lost
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: { fallback: 1_024, min: 1, max: MAX_INTEGER }, // thousands may end in a second
  OTEL_BSP_SCHEDULE_DELAY: { fallback: 5_000, min: 0, max: MAX_TIMEOUT_MS },
  OTEL_METRIC_EXPORT_INTERVAL: { fallback: 60_000, min: 1, max: MAX_TIMEOUT_MS },
  OTEL_EXPORTER_OTLP_TIMEOUT: { fallback: 10_000, min: 1, max: MAX_TIMEOUT_MS },
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: { fallback: undefined, min: 1, max: MAX_TIMEOUT_MS },
  OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: { fallback: undefined, min: 1, max: MAX_TIMEOUT_MS },
} as const;

/** The numeric settings of OpenTelemetry. */
export interface TelemetryNumbers {
  /** The maximum number of spans that wait for a slow collector. */
  maxQueuedSpans: number;
  /** The maximum number of spans in a batch. */
  maxBatchSpans: number;
  /** The longest time that a span waits for its batch to fill, in milliseconds. */
  sendSpansAfterMs: number;
  /** The interval at which metrics are sent, in milliseconds. */
  metricsIntervalMs: number;
  /** The longest time that the collector may take to accept spans, in milliseconds. */
  tracesTimeoutMs: number;
  /** The longest time that the collector may take to accept metrics, in milliseconds. */
  metricsTimeoutMs: number;
}

/**
 * Reads the numeric settings of OpenTelemetry. Ignores numbers out of range, as OpenTelemetry specifies.
 *
 * @param onNotice called with a message for each number out of range.
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
