import { VERSION } from "../text/version.ts";
import type { AttemptHooks, AttemptStart } from "../pool/attempt_hooks.ts";
import { isFailure, type TaskResult } from "../records/result.ts";
import { Delivery, FLUSH_MS } from "./delivery.ts";
import { RunMetrics } from "./run_metrics.ts";
import type { TelemetryNumbers } from "./numbers.ts";
import { loadPackages, type Packages } from "./packages.ts";
import type { TelemetrySettings } from "./settings.ts";
import { RunTrace } from "./run_trace.ts";

/** The trace and the metrics of a run, for a collector of OpenTelemetry. */
export class Telemetry {
  readonly #delivery = new Delivery();
  readonly #trace: RunTrace | undefined;
  readonly #metrics: RunMetrics | undefined;
  #hasFailures = false;

  private constructor({ common, traces, metrics }: Packages, numbers: TelemetryNumbers) {
    const { defaultResource, detectResources, resourceFromAttributes, ...detectors } = common.resources;
    const resource = defaultResource()
      .merge(resourceFromAttributes({ "service.name": "taskrunner", "service.version": VERSION }))
      .merge(detectResources({
        detectors: [detectors.resourceAttributesEnvDetector, detectors.serviceNameEnvDetector],
      }));
    this.#trace = traces && new RunTrace(common, traces, resource, this.#delivery, numbers);
    this.#metrics = metrics && new RunMetrics(metrics, resource, this.#delivery, numbers);
  }

  /** Begins the trace of a run. */
  static async open(settings: TelemetrySettings, numbers: TelemetryNumbers): Promise<Telemetry> {
    return new Telemetry(await loadPackages(settings), numbers);
  }

  /** Begins the span of an attempt: the `onAttemptStart` of the run. */
  startAttempt(attempt: AttemptStart): AttemptHooks {
    const hooks = this.#trace?.startAttempt(attempt);
    this.#metrics?.addRunning(1);
    return {
      env: hooks?.env,
      onEnd: (result) => {
        hooks?.onEnd(result);
        this.#metrics?.addRunning(-1);
      },
    };
  }

  /** Counts a result. */
  add(result: TaskResult): void {
    if (isFailure(result.outcome)) this.#hasFailures = true;
    this.#metrics?.addResult(result);
  }

  /**
   * Ends the trace, and sends the remaining data for at most {@linkcode FLUSH_MS}. Never rejects.
   *
   * @param failure the error that ended the run, if any.
   * @returns a message about data that did not arrive, with the reason; `undefined` when all data arrived.
   */
  async close(failure: unknown): Promise<string | undefined> {
    const errorType = failure instanceof Error ? failure.name : this.#hasFailures ? "failed-tasks" : undefined;
    const isSent = Promise.allSettled([this.#trace?.close(errorType), this.#metrics?.close()]).then(() => true);
    const isTooLate = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => isTooLate.resolve(false), FLUSH_MS);
    const hadTime = await Promise.race([isSent, isTooLate.promise]);
    clearTimeout(timer);
    return this.#delivery.loss(hadTime);
  }
}
