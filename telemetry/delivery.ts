import type { ExportResult, MetricsExporter, SpanExporter } from "./package_types.ts";

/** The longest time to send the remaining data at the end of a run, in milliseconds. */
export const FLUSH_MS = 5_000;

/** Tracks the data that the collector accepted, so that no loss is silent. */
export class Delivery {
  /** The number of spans that have ended. */
  endedSpans = 0;
  #deliveredSpans = 0;
  #lostMetrics = false;
  /** The reason of the first failure. */
  #failure: string | undefined;

  /** Counts the spans that an exporter delivers. */
  ofSpans(exporter: SpanExporter): SpanExporter {
    const send = exporter.export.bind(exporter);
    exporter.export = (spans, callback) =>
      send(spans, (result) => {
        if (this.#isDelivered(result)) this.#deliveredSpans += spans.length;
        callback(result);
      });
    return exporter;
  }

  /** Records whether the last export of an exporter arrived. Counters are usually cumulative, so earlier losses do not matter. */
  ofMetrics(exporter: MetricsExporter): MetricsExporter {
    const send = exporter.export.bind(exporter);
    exporter.export = (metrics, callback) => {
      this.#lostMetrics = true; // until the export has succeeded
      send(metrics, (result) => {
        this.#lostMetrics = !this.#isDelivered(result);
        callback(result);
      });
    };
    return exporter;
  }

  /** Returns a sentence about the data that did not arrive, with the reason; `undefined` when all data arrived. */
  loss(hadTime: boolean): string | undefined {
    const lostSpans = this.endedSpans - this.#deliveredSpans;
    const lost = [
      lostSpans > 0 && `${lostSpans} of ${this.endedSpans} spans`,
      this.#lostMetrics && "the metrics",
    ].filter(Boolean).join(" and ");
    const reason = this.#failure ??
      (hadTime ? "the collector is too slow" : `the collector did not accept them within ${FLUSH_MS / 1000} s`);
    return lost ? `telemetry: ${lost} did not reach the collector: ${reason}` : undefined;
  }

  #isDelivered({ code, error }: ExportResult): boolean {
    const isDelivered = code === 0;
    if (!isDelivered) this.#failure ??= reasonOf(error);
    return isDelivered;
  }
}

/** Returns only a code, because the response of the collector may repeat secrets of the request. */
function reasonOf(error: (Error & { code?: unknown }) | undefined): string {
  const { code } = error ?? {};
  if (typeof code === "number") return `the collector responded with HTTP status ${code}`;
  if (typeof code === "string" && /^\w+$/.test(code)) return code;
  return "the collector did not respond, or asked to retry later";
}
