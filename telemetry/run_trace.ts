import process from "node:process";
import { VERSION } from "../text/version.ts";
import type { AttemptStart } from "../pool/attempt_hooks.ts";
import { type AttemptResult, resultWithoutOutput } from "../pool/executor.ts";
import { classify, hasResult } from "../pool/outcome.ts";
import type { Delivery } from "./delivery.ts";
import type { TelemetryNumbers } from "./numbers.ts";
import type { Context, Resource, Span, VariableGetter, VariableSetter } from "./package_types.ts";
import type { CommonPackages, TracesPackages } from "./packages.ts";

/** Limits ids, which can have any length. */
const MAX_ATTRIBUTE_LENGTH = 1_024;

/** Stands for the result of an attempt whose executor failed. */
const UNKNOWN = resultWithoutOutput({ kind: "lost", reason: "The executor failed" });

interface SpanHooks {
  env: Record<string, string>;
  onEnd(result: AttemptResult | undefined): void;
}

type Variables = Record<string, string | undefined>;

/** Carries context in environment variables, as OpenTelemetry specifies. */
const fromEnvironment: VariableGetter<Variables> = {
  keys: (env) => Object.keys(env),
  get: (env, key) => env[key.toUpperCase()],
};
const toEnvironment: VariableSetter<Record<string, string>> = {
  set: (env, key, value) => {
    env[key.toUpperCase()] = value;
  },
};

/** The trace of a run: a span for the run, and one for each attempt below it. */
export class RunTrace {
  readonly #common: CommonPackages;
  readonly #tracer;
  readonly #provider;
  readonly #exporter;
  readonly #propagator;
  readonly #run: Span;
  readonly #context: Context;

  /** Begins the trace, or continues the trace of `TRACEPARENT`. */
  constructor(
    common: CommonPackages,
    { sdk, exporter }: TracesPackages,
    resource: Resource,
    delivery: Delivery,
    { maxQueuedSpans, maxBatchSpans, sendSpansAfterMs, tracesTimeoutMs }: TelemetryNumbers,
  ) {
    const { api: { ROOT_CONTEXT, trace }, core: { W3CTraceContextPropagator } } = common;
    this.#common = common;
    // Unlimited, because the end of a run sends all queued batches at once.
    this.#exporter = delivery.ofSpans(
      new exporter.OTLPTraceExporter({ concurrencyLimit: Infinity, timeoutMillis: tracesTimeoutMs }),
    );
    const batches = new sdk.BatchSpanProcessor({
      exporter: this.#exporter,
      maxQueueSize: maxQueuedSpans,
      maxExportBatchSize: maxBatchSpans,
      scheduledDelayMillis: sendSpansAfterMs,
    });
    const counter = new sdk.NoopSpanProcessor();
    counter.onEnd = () => {
      delivery.endedSpans++;
    };
    this.#provider = new sdk.TracerProvider({
      resource,
      spanProcessors: [counter, batches],
      spanLimits: { attributeValueLengthLimit: MAX_ATTRIBUTE_LENGTH },
    });
    this.#tracer = this.#provider.getTracer("taskrunner", VERSION);
    this.#propagator = new W3CTraceContextPropagator();
    const parent = this.#propagator.extract(ROOT_CONTEXT, process.env, fromEnvironment);
    this.#run = this.#tracer.startSpan("run", {}, parent);
    this.#context = trace.setSpan(ROOT_CONTEXT, this.#run);
  }

  /** Begins the span of an attempt. The span of an attempt that never began does not end, so the exporter does not send it. */
  startAttempt({ task, id, number, slot }: AttemptStart): SpanHooks {
    const { trace, SpanKind } = this.#common.api;
    const attributes = { "taskrunner.task.id": id, "taskrunner.task.attempt": number };
    const span = this.#tracer.startSpan("task", { kind: SpanKind.CLIENT, attributes }, this.#context);
    // The inherited TRACESTATE belongs to the parent trace, not to the span or TRACEPARENT of the task.
    const env: Record<string, string> = process.env["TRACESTATE"] === undefined ? {} : { TRACESTATE: "" };
    if (task.env?.["TRACEPARENT"] === undefined) {
      this.#propagator.inject(trace.setSpan(this.#context, span), env, toEnvironment);
    }
    return {
      env,
      onEnd: (result) => {
        if (!result || hasResult(result)) this.#endAttempt(span, slot, result);
      },
    };
  }

  #endAttempt(span: Span, slot: number, result: AttemptResult | undefined): void {
    const { status, outcome, signal } = classify(result ?? UNKNOWN, result?.stoppedBy);
    span.setAttributes({
      "taskrunner.task.outcome": outcome,
      "taskrunner.slot": result?.place?.slot ?? slot,
      "taskrunner.worker.host": result?.place?.worker.host,
      "taskrunner.worker.pid": result?.place?.worker.pid,
      "taskrunner.task.signal": signal,
      "taskrunner.task.user_ms": result?.userMs,
      "taskrunner.task.system_ms": result?.systemMs,
      "process.exit.code": status ?? undefined,
    });
    this.#end(span, outcome === "ok" ? undefined : outcome);
  }

  #end(span: Span, errorType: string | undefined): void {
    if (errorType !== undefined) {
      span.setAttribute("error.type", errorType);
      span.setStatus({ code: this.#common.api.SpanStatusCode.ERROR });
    }
    span.end();
  }

  /** Ends the trace. Settles when all spans were sent or failed. */
  async close(errorType: string | undefined): Promise<void> {
    this.#end(this.#run, errorType);
    await this.#provider.shutdown().catch(() => {}); // Delivery counts the losses
    await this.#exporter.shutdown();
  }
}
