import type { ExportResult } from "@opentelemetry/core";
import type { PushMetricExporter } from "@opentelemetry/sdk-metrics";
import type { SpanExporter } from "@opentelemetry/sdk-trace";

/** How long the end of a run may take to send what has not been sent. */
export const FLUSH_MS = 5_000;

/** Keeps count of what the collector has taken, so that nothing is lost silently. */
export class Delivery {
  /** Spans that have ended and are to be sent. */
  endedSpans = 0;
  #deliveredSpans = 0;
  #lostMetrics = false;
  /** What the first failure was about. */
  #failure: string | undefined;

  /** Counts what an exporter sends. */
  ofSpans(exporter: SpanExporter): SpanExporter {
    const send = exporter.export.bind(exporter);
    exporter.export = (spans, callback) =>
      send(spans, (result) => {
        if (this.#isDelivered(result)) this.#deliveredSpans += spans.length;
        callback(result);
      });
    return exporter;
  }

  /** Sees whether what an exporter has sent last has arrived. It is the sum of all before, as a rule. */
  ofMetrics(exporter: PushMetricExporter): PushMetricExporter {
    const send = exporter.export.bind(exporter);
    exporter.export = (metrics, callback) => {
      this.#lostMetrics = true; // as long as nothing is known
      send(metrics, (result) => {
        this.#lostMetrics = !this.#isDelivered(result);
        callback(result);
      });
    };
    return exporter;
  }

  /** What has not arrived, and why, as one sentence; `undefined` when everything has. */
  loss(hadTime: boolean): string | undefined {
    const lostSpans = this.endedSpans - this.#deliveredSpans;
    const lost = [
      lostSpans > 0 && `${lostSpans} of ${this.endedSpans} spans`,
      this.#lostMetrics && "the metrics",
    ].filter(Boolean).join(" and ");
    const reason = this.#failure ??
      (hadTime ? "they came faster than it took them" : `they were not taken within ${FLUSH_MS / 1000} seconds`);
    return lost ? `telemetry: ${lost} did not reach the collector: ${reason}` : undefined;
  }

  #isDelivered({ code, error }: ExportResult): boolean {
    const isDelivered = code === 0;
    if (!isDelivered) this.#failure ??= reasonOf(error);
    return isDelivered;
  }
}

/** Says no more than a code: in what the collector answers there may be what it was sent. */
function reasonOf(error: (Error & { code?: unknown }) | undefined): string {
  const { code } = error ?? {};
  if (typeof code === "number") return `it answered with the HTTP status ${code}`;
  if (typeof code === "string" && /^\w+$/.test(code)) return code;
  return "it gave no answer, or asked to try again later";
}
