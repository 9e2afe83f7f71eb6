import { VERSION } from "../text/version.ts";
import { isFailure, type TaskResult } from "../records/result.ts";
import type { Delivery } from "./delivery.ts";
import type { TelemetryNumbers } from "./numbers.ts";
import type { Resource } from "./package_types.ts";
import type { MetricsPackages } from "./packages.ts";

/** The numbers of running, done and failed tasks of a run. */
export class RunMetrics {
  readonly #provider;
  readonly #running;
  readonly #done;
  readonly #failed;

  constructor(
    { sdk, exporter }: MetricsPackages,
    resource: Resource,
    delivery: Delivery,
    { metricsIntervalMs, metricsTimeoutMs }: TelemetryNumbers,
  ) {
    const reader = new sdk.PeriodicExportingMetricReader({
      exporter: delivery.ofMetrics(new exporter.OTLPMetricExporter({ timeoutMillis: metricsTimeoutMs })),
      exportIntervalMillis: metricsIntervalMs,
    });
    this.#provider = new sdk.MeterProvider({ resource, readers: [reader] });
    const meter = this.#provider.getMeter("taskrunner", VERSION);
    const unit = "{task}";
    this.#running = meter.createUpDownCounter("taskrunner.tasks.running", { unit, description: "Tasks that run now" });
    this.#done = meter.createCounter("taskrunner.tasks.done", { unit, description: "Tasks that have a result" });
    this.#failed = meter.createCounter("taskrunner.tasks.failed", {
      unit,
      description: "Tasks whose outcome is not ok, canceled or skipped",
    });
  }

  /** Counts an attempt that begins or ends. */
  addRunning(change: 1 | -1): void {
    this.#running.add(change);
  }

  /** Counts a result. */
  addResult({ outcome }: TaskResult): void {
    const attributes = { "taskrunner.task.outcome": outcome };
    this.#done.add(1, attributes);
    if (isFailure(outcome)) this.#failed.add(1, attributes);
  }

  /** Sends the last values. Settles when they were sent or failed. */
  async close(): Promise<void> {
    await this.#provider.shutdown().catch(() => {}); // Delivery reports the loss
  }
}
